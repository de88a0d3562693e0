"""The error for an adapter whose library is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from ondol.errors import MissingDependencyError


@contextmanager
def library(name: str, *, package: str, extra: str) -> Iterator[None]:
    """Around the imports of an adapter's module.

    Raises MissingDependencyError, which names the extra, for an import that fails.
    """
    try:
        yield
    except ImportError as error:
        raise MissingDependencyError(f"the adapter for {name}", package, extra) from error
