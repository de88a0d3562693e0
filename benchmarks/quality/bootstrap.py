"""Paired bootstrap: is the difference of two models more than the choice of the items?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quality.metrics import Statistic, score

RESAMPLES = 2_000
SEED = 7  # fixed: two runs over the same vectors print the same intervals
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """Of a model's score to another's.

    Attributes:
        value: on the set itself.
        low, high: bounds of the interval.
    """

    value: float
    low: float
    high: float


def resample_counts(
    items: int, *, resamples: int = RESAMPLES, seed: int = SEED
) -> NDArray[np.int64]:
    """How often each item comes up when `items` are drawn from them with replacement.

    Returns (resamples, items) int64; every row adds up to `items`.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(items, np.full(items, 1 / items), size=resamples)


def paired_difference(model: Statistic, base: Statistic, counts: NDArray[np.int64]) -> Difference:
    """The score of `model` minus that of `base`, with its percentile interval.

    Both are taken over the same resamples, so that items hard for both cancel out (percentile
    interval: Efron and Tibshirani 1993, chapter 13; paired, for models: Koehn 2004).

    Args:
        counts: of resample_counts, for the items of both.
    """
    differences = model(counts) - base(counts)
    tail = (1 - CONFIDENCE) / 2
    # Of very few pairs a resample can be one pair over and over, which has no rank correlation.
    low, high = np.quantile(differences[np.isfinite(differences)], (tail, 1 - tail))
    return Difference(score(model) - score(base), float(low), float(high))
