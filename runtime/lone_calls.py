"""Which calls that are alone get a model for all threads beside the one for one thread each."""

from ondol.runtime.backend import WORTH_ALL_THREADS


class LoneCalls:
    """Counts calls that are alone and long enough; from the second on they get all threads.

    A second model takes memory and longer to open than one call saves, and the first such call is
    often the only one of its process. The caller holds a lock.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._seen = 0

    def get_all_threads(self, tokens: int, *, alone: bool) -> bool:
        """Whether this call does. Call it once for each."""
        if not alone or self._threads == 1 or tokens < WORTH_ALL_THREADS:
            return False
        self._seen += 1
        return self._seen > 1
