"""Reciprocal rank fusion."""

import pytest

from ondol.search.fusion import reciprocal_rank_fusion


def test_scores_are_those_of_the_paper() -> None:
    fused = reciprocal_rank_fusion(["a", "b"], ["b", "c"])
    assert [item for item, _ in fused] == ["b", "a", "c"]
    assert dict(fused) == pytest.approx({"b": 1 / 62 + 1 / 61, "a": 1 / 61, "c": 1 / 62})


def test_equal_scores_keep_the_order_of_the_rankings() -> None:
    assert [item for item, _ in reciprocal_rank_fusion(["a"], ["b"])] == ["a", "b"]


def test_of_one_ranking_it_is_that_ranking() -> None:
    assert [item for item, _ in reciprocal_rank_fusion([3, 1, 2], [])] == [3, 1, 2]
