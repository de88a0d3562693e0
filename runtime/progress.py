"""A progress bar, if one is wanted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress_bar(*, shown: bool, **options: Any) -> Iterator[Callable[[int], object]]:
    """Yields what to call with each further number of things done.

    options: tqdm's own. tqdm is imported only if the bar is shown: with its metadata it takes a
    third of the time of the runtime's other imports.
    """
    if not shown:
        yield lambda count: None
        return
    from tqdm import tqdm

    with tqdm(**options) as bar:
        yield bar.update
