"""Which texts an engine gets in one call. A pure planner: lengths in, groups of indices out."""

from collections.abc import Iterator, Sequence
from itertools import groupby

#: Texts and characters that are tokenized and planned together: they bound the memory of a call
#: with many texts. The tokenizer holds about a hundred bytes for each token of its result.
WINDOW_TEXTS = 4096
WINDOW_CHARACTERS = 250_000


def windows(sizes: Sequence[int], *, max_texts: int, max_size: int) -> Iterator[range]:
    """Cut a long list into stretches that are worked through one after the other.

    Args:
        sizes: characters of each text.
        max_texts: texts of a stretch, at least 1.
        max_size: sum of the sizes of a stretch; a larger text gets a stretch of its own.

    Yields ranges of indices; together they are 0 to len(sizes) - 1, in order.
    """
    start = total = 0
    for index, size in enumerate(sizes):
        if index > start and (index - start == max_texts or total + size > max_size):
            yield range(start, index)
            start, total = index, 0
        total += size
    if start < len(sizes):
        yield range(start, len(sizes))


def plan(
    lengths: Sequence[int],
    *,
    max_batch_tokens: int,
    max_texts: int,
    equal_lengths: bool,
    parallel_runs: int,
) -> list[tuple[int, ...]]:
    """Group texts into calls, longest texts first.

    Args:
        lengths: tokens of each text.
        max_batch_tokens: tokens per call; a longer text gets a call of its own. 0 sends every
            text alone.
        max_texts: texts per call, at least 1.
        equal_lengths: put only texts of the same length into one call, so that nothing is padded.
        parallel_runs: calls that will run at once, at least 1; a few texts are spread over them
            rather than put into one call.

    Returns groups of indices into `lengths`; every index stands in exactly one group.
    """
    # Rounded down: rounded up, 13 texts of 2 tokens would make 7 groups for 8 runs.
    budget = min(max_batch_tokens, sum(lengths) // parallel_runs)
    # Longest first: the short calls at the end even out what is left to do.
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    runs = (
        [list(run) for _, run in groupby(order, key=lambda index: lengths[index])]
        if equal_lengths
        else [order]
    )
    groups: list[tuple[int, ...]] = []
    for run in runs:
        group: list[int] = []
        tokens = 0
        for index in run:
            full = len(group) >= max_texts or tokens + lengths[index] > budget
            if group and full:
                groups.append(tuple(group))
                group, tokens = [], 0
            group.append(index)
            tokens += lengths[index]
        if group:
            groups.append(tuple(group))
    return groups
