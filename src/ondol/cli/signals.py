"""SIGINT and SIGTERM as exceptions that arrive, so that nothing unfinished stays behind."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: Windows has no timer: there a signal is raised wherever it comes.
_CAN_WAIT = hasattr(signal, "setitimer")

#: Seconds after which a signal that could not be raised is tried again.
_AGAIN = 0.02


class Terminated(KeyboardInterrupt):
    """SIGTERM has come. Whatever puts things in order after Ctrl-C does so after this."""


#: What a signal raises, and the handler that Python begins with. SIGTERM's ends the process on the
#: spot.
_RAISED: dict[int, tuple[type[KeyboardInterrupt], Any]] = {
    signal.SIGINT: (KeyboardInterrupt, signal.default_int_handler),
    signal.SIGTERM: (Terminated, signal.SIG_DFL),
}


@contextmanager
def signals_raise() -> Iterator[None]:
    """Inside, SIGINT raises KeyboardInterrupt in the main thread, and SIGTERM Terminated.

    Not where that would be lost. In an import, C extensions make an ImportError of it: it waits for
    the import's end. In a finalizer or a callback from C Python reports it and goes on
    (`sys.unraisablehook`): it is raised again. Some extensions raise an error of their own instead:
    what ends the block after a signal came is the signal.

    A signal that is ignored or handled already stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    mine = [n for n, (_, default) in _RAISED.items() if signal.getsignal(n) is default]
    hook = sys.unraisablehook
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        _raise(number, frame)

    for number in mine:
        signal.signal(number, handle)
    if _CAN_WAIT:
        sys.unraisablehook = _raise_again
        alarm = signal.getsignal(signal.SIGALRM)
    try:
        yield
    except Exception as error:
        if received:
            raise _RAISED[received[0]][0] from error
        raise
    finally:
        if _CAN_WAIT:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm)
            sys.unraisablehook = hook
        for number in mine:
            signal.signal(number, _RAISED[number][1])


def _raise(number: int, frame: FrameType | None) -> None:
    if _CAN_WAIT and _importing(frame):
        _later(number)
    else:
        raise _RAISED[number][0]


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _raise_again(unraisable: "sys.UnraisableHookArgs") -> None:
    for number, (kind, _) in _RAISED.items():
        if unraisable.exc_type is kind:
            _later(number)
            return
    sys.__unraisablehook__(unraisable)


def _later(number: int) -> None:
    """Let the signal come once more. By the alarm, which also ends a wait for the system."""
    signal.signal(signal.SIGALRM, lambda _, frame: _raise(number, frame))
    signal.setitimer(signal.ITIMER_REAL, _AGAIN)
