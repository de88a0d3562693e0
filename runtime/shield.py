"""Work that an exception of a signal handler, as Ctrl-C is one, cannot stop halfway."""

import _thread
import atexit
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

#: What threads of `_work` wait for; each returns the lock of who waits for it.
_jobs: "SimpleQueue[Callable[[], _thread.LockType | None]]" = SimpleQueue()

#: An element for each thread that waits for a job, or will. (After an exception there may be one
#: too many: then a job waits until the one before it has ended.)
_idle: list[bool] = []

#: Locks that are released when work ends. Only what was interrupted twice is ever left in it.
_at_work: set[_thread.LockType] = set()

#: Seconds after which Windows, where Ctrl-C ends no waiting for a lock, looks for one.
_PATIENCE = 0.1 if os.name == "nt" else -1.0


def run_shielded(work: Callable[[], None], *, stop: Callable[[], None]) -> None:
    """Do `work` out of the reach of signal handlers, and wait for it.

    Python runs them in the main thread, between any two of its instructions (Python, "signal",
    Execution of Python signal handlers): what they raise can come after something was taken and
    before it was noted that it was, and no `try` helps. So the main thread only waits here, for
    another that works; that costs 20 microseconds. Other threads do `work` themselves.

    Args:
        work: what it raises is raised here.
        stop: called from some thread when a handler has raised; makes `work` end early. It may
            come before `work` begins.

    Raises what a handler raised when `work` has ended. A second exception does not wait: `work`
    then ends by itself, before the process does. Where no thread is to be had the main thread does
    the work, unshielded.
    """
    if threading.current_thread() is not threading.main_thread():
        work()
        return
    unclaimed = [True]  # an element can be taken out only once, whoever is interrupted
    over: list[bool] = []
    errors: list[BaseException] = []
    # A lock of the interpreter itself: a Condition, interrupted, may keep one of its own.
    ended = _thread.allocate_lock()
    ended.acquire()

    def job() -> _thread.LockType | None:
        if not _take(unclaimed):
            return None
        _at_work.add(ended)
        try:
            work()
        except BaseException as error:
            errors.append(error)
        _at_work.discard(ended)
        over.append(True)
        return ended

    try:
        _jobs.put(job)
        if not _take(_idle):
            _thread.start_new_thread(_work, ())
        _wait(ended)
    except BaseException as error:
        if not _take(unclaimed):
            _call_apart(stop)
            # If it is over, the lock may have been acquired before the exception came.
            if not over:
                _wait(ended)
        elif _says_no_thread(error):
            work()
            return
        raise
    if errors:
        raise errors.pop()


def _work() -> None:
    # One thread for all calls: the engines keep buffers for each thread that called them, and
    # OpenVINO needs a third of a millisecond for a new one.
    while True:
        ended = _jobs.get()()
        _idle.append(True)
        if ended is not None:
            ended.release()


def _take(elements: list[bool]) -> bool:
    try:
        return elements.pop()
    except IndexError:
        return False


def _wait(lock: _thread.LockType) -> None:
    while not lock.acquire(timeout=_PATIENCE):
        pass


def _call_apart(stop: Callable[[], None]) -> None:
    try:
        _thread.start_new_thread(stop, ())
    except RuntimeError:
        stop()


def _says_no_thread(error: BaseException) -> bool:
    """As start_new_thread does; a handler may raise RuntimeErrors too."""
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


def _wait_for_all() -> None:
    # The end of the interpreter would tear a thread out of its engine.
    for ended in list(_at_work):
        _wait(ended)


def _forget_threads() -> None:
    # They do not survive a fork.
    global _jobs
    _jobs = SimpleQueue()
    _idle.clear()
    _at_work.clear()


atexit.register(_wait_for_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
