"""Scores against hand-computed values and scipy, on whole sets and on resamples."""

import math

import numpy as np
import pytest
from quality.bootstrap import resample_counts
from quality.metrics import Mean, RankCorrelation, ndcg, recall, score, statistics
from quality.sets import Column, PairSet, RetrievalSet, Texts
from scipy.stats import spearmanr

from ondol.errors import InputError

E1, E2, E3 = np.eye(3, dtype=np.float32)


def column(name: str, count: int) -> Column:
    return Column(Texts(name, tuple(map(str, range(count)))), np.arange(count))


def test_ndcg_by_hand() -> None:
    # Document 7 (grade 2) at place 2, document 4 (grade 1) at place 3; document 9 is missed.
    found = 2 / math.log2(3) + 1 / math.log2(4)
    best = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert ndcg([5, 7, 4], {7: 2, 4: 1, 9: 1, 5: 0}) == pytest.approx(found / best, abs=1e-12)


def test_ndcg_of_the_ideal_order_is_one_even_if_more_are_relevant_than_fit() -> None:
    assert ndcg([1, 2], {1: 3, 2: 2, 3: 2}) == pytest.approx(1)


def test_recall_counts_only_relevant_documents() -> None:
    assert recall([5, 7, 4], {7: 2, 4: 1, 9: 1, 5: 0}) == pytest.approx(2 / 3)


def test_spearman_with_ties_is_scipys() -> None:
    generator = np.random.default_rng(0)
    a = generator.integers(0, 6, 50).astype(float)  # many ties
    b = a + generator.normal(0, 2, 50)
    assert score(RankCorrelation(a, b)) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)


def test_spearman_of_a_resample_is_scipys_of_the_items_written_out() -> None:
    generator = np.random.default_rng(1)
    a = generator.integers(0, 4, 30).astype(float)
    b = a + generator.normal(0, 1, 30)
    counts = resample_counts(30, resamples=20)
    written_out = [np.repeat(np.arange(30), row) for row in counts]
    expected = [spearmanr(a[items], b[items]).statistic for items in written_out]
    assert RankCorrelation(a, b)(counts) == pytest.approx(expected, abs=1e-12)


def test_mean_of_a_resample() -> None:
    counts = np.array([[1, 1, 1], [3, 0, 0], [0, 1, 2]])
    assert Mean(np.array([1.0, 2.0, 6.0]))(counts) == pytest.approx([3, 1, 14 / 3])


def test_equal_vectors_everywhere_are_an_error() -> None:
    with pytest.raises(InputError, match="needs two different ones"):
        RankCorrelation(np.ones(4), np.arange(4.0))


def test_pairs_are_scored_by_their_cosine() -> None:
    left = np.stack([E1, E1, E1])
    right = np.stack([E1, (E1 + E2) / np.sqrt(2), E2])
    pairs = PairSet("pairs", column("left", 3), column("right", 3), np.array([5.0, 2.0, 0.0]))
    (found,) = statistics(pairs, {"left": left, "right": right}).items()
    assert found[0] == "spearman"
    assert score(found[1]) == pytest.approx(1)


def test_retrieval_is_scored_over_queries_and_the_first_of_equal_documents_wins() -> None:
    documents = np.stack([E1, E2, E2, E3])
    queries = np.stack([E1, E2])
    grades = ({0: 1}, {2: 1})  # of the second query's two equal documents, the later one
    one = RetrievalSet("set", column("queries", 2), column("documents", 4), grades)
    found = statistics(one, {"queries": queries, "documents": documents})
    assert score(found["ndcg_at_10"]) == pytest.approx((1 + 1 / math.log2(3)) / 2)
    assert score(found["recall_at_10"]) == pytest.approx(1)


def test_only_ten_documents_count() -> None:
    angles = np.linspace(0, 1, 12)
    documents = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    one = RetrievalSet("set", column("queries", 1), column("documents", 12), ({0: 1, 11: 1},))
    found = statistics(one, {"queries": documents[:1], "documents": documents})
    assert score(found["recall_at_10"]) == pytest.approx(0.5)
