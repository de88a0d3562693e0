"""What a signal handler raises, wherever it can come in."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class HandlerError(Exception):
    """What these handlers raise."""


def interrupted_at(place: int, work: Callable[[], object]) -> bool:
    """Do `work`, and raise HandlerError at one of the places where CPython looks for signals: in
    front of a Python function and behind one of C.

    Returns whether it has that many.
    """
    seen = 0

    def look(frame: FrameType, event: str, function: Any) -> None:
        nonlocal seen
        if event in ("call", "c_return"):
            seen += 1
            if seen == place:
                raise HandlerError

    sys.setprofile(look)
    try:
        work()
    except HandlerError:
        pass
    finally:
        sys.setprofile(None)
    return seen >= place
