"""Every model on every set, beside the first model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quality.bootstrap import (
    CONFIDENCE,
    RESAMPLES,
    SEED,
    Difference,
    paired_difference,
    resample_counts,
)
from quality.metrics import Statistic, score, statistics
from quality.sets import EvaluationSet, PairSet, Vectors


@dataclass(frozen=True)
class Score:
    """One measure of a model on one set.

    Attributes:
        value: Spearman's correlation, or the mean nDCG or recall from 0 to 1.
        difference: to the base; None for the base itself.
    """

    value: float
    difference: Difference | None


#: By set and measure.
Scores = Mapping[str, Mapping[str, Score]]


def compare(
    sets: Sequence[EvaluationSet], models: Iterable[tuple[str, Vectors]]
) -> Iterator[tuple[str, Scores]]:
    """Scores of each model by its name, as soon as they are known; the first one is the base."""
    counts = {one.name: resample_counts(items(one)) for one in sets}
    base: Mapping[str, Mapping[str, Statistic]] | None = None
    for name, vectors in models:
        measured = {one.name: statistics(one, vectors) for one in sets}
        yield (
            name,
            {
                place: {
                    measure: Score(
                        score(statistic),
                        None
                        if base is None
                        else paired_difference(statistic, base[place][measure], counts[place]),
                    )
                    for measure, statistic in found.items()
                }
                for place, found in measured.items()
            },
        )
        base = base or measured


def items(one: EvaluationSet) -> int:
    """Pairs or queries of a set."""
    return len(one.scores) if isinstance(one, PairSet) else len(one.grades)


def as_record(
    sets: Sequence[EvaluationSet], found: Mapping[str, Scores], failed: Mapping[str, str]
) -> dict[str, Any]:
    """What the results file holds."""
    return {
        "base": next(iter(found)),
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "confidence": CONFIDENCE},
        "items": {one.name: items(one) for one in sets},
        "models": {
            name: {
                place: {measure: _values(score) for measure, score in measures.items()}
                for place, measures in scores.items()
            }
            for name, scores in found.items()
        },
        "failed": dict(failed),
    }


def _values(score: Score) -> dict[str, float]:
    if score.difference is None:
        return {"score": score.value}
    difference = score.difference
    return {
        "score": score.value,
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
    }
