"""Which texts an engine gets in one call. A pure planner: lengths in, groups of indices out."""

from collections.abc import Sequence
from itertools import groupby


def plan(
    lengths: Sequence[int], *, max_batch_tokens: int, max_texts: int, equal_lengths: bool
) -> list[tuple[int, ...]]:
    """Group texts into calls, longest texts first.

    Args:
        lengths: tokens of each text.
        max_batch_tokens: tokens per call; a longer text gets a call of its own. 0 sends every
            text alone.
        max_texts: texts per call, at least 1.
        equal_lengths: put only texts of the same length into one call, so that nothing is padded.

    Returns groups of indices into `lengths`; every index stands in exactly one group.
    """
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
            full = len(group) >= max_texts or tokens + lengths[index] > max_batch_tokens
            if group and full:
                groups.append(tuple(group))
                group, tokens = [], 0
            group.append(index)
            tokens += lengths[index]
        if group:
            groups.append(tuple(group))
    return groups
