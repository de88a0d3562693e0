"""Scores of one model on one set, as statistics that can be taken over a resample of its items."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ondol.errors import InputError
from ondol.runtime.similarity import cosine_similarity, rowwise_cosine
from quality.sets import EvaluationSet, PairSet, RetrievalSet, Vectors

CUTOFF = 10

Floats = NDArray[np.float64]


class Statistic(Protocol):
    """A score of a set's items, each of them counted any number of times.

    Attributes:
        items: pairs or queries.
    """

    items: int

    def __call__(self, counts: NDArray[np.int64]) -> Floats:
        """counts: (resamples, items), how often each item is in each resample, the same total in
        all. Returns (resamples,) float64.
        """
        ...


def score(statistic: Statistic) -> float:
    """The statistic of the set itself: every item once."""
    return float(statistic(np.ones((1, statistic.items), dtype=np.int64))[0])


class Mean:
    """Mean of a value per item."""

    def __init__(self, values: Floats) -> None:
        """values: (items,) float64."""
        self.values = values
        self.items = len(values)

    def __call__(self, counts: NDArray[np.int64]) -> Floats:
        return np.asarray(counts @ self.values / counts.sum(axis=1), dtype=np.float64)


class RankCorrelation:
    """Spearman's correlation; ties get their mean rank (Spearman 1904), in every resample anew.

    An item that a resample holds several times is tied with itself. So the ranks of a resample
    follow from the counts in the order of the values, which is sorted once. A resample in which all
    values of one side are equal has no order: NaN.
    """

    def __init__(self, a: Floats, b: Floats) -> None:
        """a, b: (items,) float64. Raises InputError if all of one are equal: no order, no ranks."""
        for values in (a, b):
            if len(np.unique(values)) < 2:
                raise InputError(
                    f"all {len(values)} values are {values[0]}; a rank correlation needs two "
                    "different ones. Vectors that are all the same point to a broken model"
                )
        self.items = len(a)
        self._a, self._b = _Order(a), _Order(b)

    def __call__(self, counts: NDArray[np.int64]) -> Floats:
        middle = (counts.sum(axis=1, keepdims=True) + 1) / 2  # the mean of all ranks
        x = self._a.ranks(counts) - middle  # (resamples, items)
        y = self._b.ranks(counts) - middle
        covariance, x_variance, y_variance = (
            np.einsum("ri,ri,ri->r", counts, *pair) for pair in ((x, y), (x, x), (y, y))
        )
        with np.errstate(invalid="ignore"):
            return np.asarray(covariance / np.sqrt(x_variance * y_variance), dtype=np.float64)


class _Order:
    """Values, sorted once."""

    def __init__(self, values: Floats) -> None:
        self._sorted = np.argsort(values, kind="stable")
        _, first, inverse = np.unique(values[self._sorted], return_index=True, return_inverse=True)
        self._first_of_group = first  # (groups,) of equal values
        self._group = np.empty(len(values), dtype=np.intp)
        self._group[self._sorted] = inverse

    def ranks(self, counts: NDArray[np.int64]) -> Floats:
        """(resamples, items) counts to (resamples, items) mean ranks, from 1."""
        sizes = np.add.reduceat(counts[:, self._sorted], self._first_of_group, axis=1)
        last = sizes.cumsum(axis=1)
        return np.asarray((last - (sizes - 1) / 2)[:, self._group], dtype=np.float64)


def ndcg(ranking: Sequence[int], grades: Mapping[int, int]) -> float:
    """nDCG at len(ranking), linear gain, as trec_eval's ndcg_cut (Järvelin and Kekäläinen 2002).

    Args:
        ranking: documents, best first.
        grades: of the judged documents; at least one above 0.
    """
    ideal = sorted(grades.values(), reverse=True)[: len(ranking)]
    return _dcg([grades.get(document, 0) for document in ranking]) / _dcg(ideal)


def _dcg(gains: Sequence[int]) -> float:
    return float(np.dot(gains, 1 / np.log2(np.arange(2, len(gains) + 2))))


def recall(ranking: Sequence[int], grades: Mapping[int, int]) -> float:
    """Share of the relevant documents (grade above 0) that are in `ranking`, as trec_eval."""
    relevant = {document for document, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranking)) / len(relevant)


def statistics(one: EvaluationSet, vectors: Vectors) -> dict[str, Statistic]:
    """The scores of a set by their name: `spearman`, or `ndcg_at_10` and `recall_at_10`."""
    match one:
        case PairSet():
            cosines = rowwise_cosine(one.left.of(vectors), one.right.of(vectors))
            return {"spearman": RankCorrelation(cosines, one.scores)}
        case RetrievalSet():
            rankings = _rankings(one.queries.of(vectors), one.documents.of(vectors))
            judged = list(zip(rankings, one.grades, strict=True))
            return {
                f"{name}_at_{CUTOFF}": Mean(np.array([measure(r, g) for r, g in judged]))
                for name, measure in (("ndcg", ndcg), ("recall", recall))
            }


def _rankings(
    queries: NDArray[np.float32], documents: NDArray[np.float32]
) -> Sequence[Sequence[int]]:
    """The first documents by cosine of each query; the earlier one first if two are equal."""
    scores = cosine_similarity(queries, documents)  # (queries, documents)
    rankings: list[list[int]] = np.argsort(-scores, axis=1, kind="stable")[:, :CUTOFF].tolist()
    return rankings
