"""How many rows may fail before a run gives up."""

from collections.abc import Sequence

from ondol.dataset.rows import FailedRow
from ondol.errors import InputError

#: More than a few bad rows of a crawl, and few enough that a wrong column is noticed at once.
DEFAULT_MAX_ERRORS = 100

#: Failed rows that the message names.
_NAMED_ROWS = 3


class ErrorBudget:
    """Counts down. Belongs to the process that gives out the partitions."""

    def __init__(self, max_errors: int) -> None:
        self.max_errors = max_errors
        self.left = max_errors

    def spend(self, failed: int) -> None:
        """Count the failed rows of a partition. Raises InputError if they are too many."""
        self.left -= failed
        if self.left < 0:
            raise InputError(
                f"{self.max_errors - self.left:,} rows failed, and {self.max_errors:,} may "
                "(--max-errors): the reasons are below _failed in the output"
            )


def check_partition(source: str, failed: Sequence[FailedRow], allowed: int) -> None:
    """Raises InputError, which names some of them, if more rows failed than may yet."""
    if len(failed) <= allowed:
        return
    named = "; ".join(f"{row.place}: {row.reason}" for row in failed[:_NAMED_ROWS])
    raise InputError(
        f"{source}: {len(failed):,} rows failed, and {allowed:,} more may (--max-errors): {named}"
        f"{'; …' if len(failed) > _NAMED_ROWS else ''}"
    )
