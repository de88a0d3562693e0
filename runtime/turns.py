"""Who computes: a fixed number of cores, given out in the order of the requests."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Keeps the runs of any number of calling threads to `cores` at a time.

    First come, first served: a run that has waited gets the next free core, so that a call with
    one text passes between the runs of a call with a million. (A semaphore would let the thread
    that has just finished a run take the next one before a waiting thread wakes up.)

    Args:
        cores: at least 1.
    """

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._free = cores
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Have one core inside the block; waits for it."""
        self._acquire()
        try:
            yield
        finally:
            self._release(1)

    @contextmanager
    def all_or_one(self) -> Iterator[bool]:
        """Have all cores inside the block if none is in use now, otherwise one.

        Yields whether it is all of them.
        """
        with self._lock:
            idle = self._free == self._cores
            if idle:
                self._free = 0
        if not idle:
            self._acquire()
        try:
            yield idle
        finally:
            self._release(self._cores if idle else 1)

    def _acquire(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        try:
            turn.wait()
        except BaseException:  # Ctrl-C
            with self._lock:
                came = turn.is_set()
                if not came:
                    self._waiting.remove(turn)
            if came:
                self._release(1)
            raise

    def _release(self, count: int) -> None:
        with self._lock:
            self._free += count
            while self._free and self._waiting:
                self._free -= 1
                self._waiting.popleft().set()
