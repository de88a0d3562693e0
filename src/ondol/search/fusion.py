"""Several rankings into one."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)

#: Of reciprocal rank fusion: Cormack, Clarke and Büttcher 2009 chose it once and for all.
RRF_K = 60


def reciprocal_rank_fusion(*rankings: Sequence[Item]) -> list[tuple[Item, float]]:
    """Items with the sum of 1 / (60 + rank) over the rankings that hold them, the highest first.

    rankings: each best first, each item at most once in it. Items of the same score keep the order
    in which the rankings, one after the other, name them first.
    """
    scores: dict[Item, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + 1 / (RRF_K + rank)
    return sorted(scores.items(), key=lambda scored: -scored[1])
