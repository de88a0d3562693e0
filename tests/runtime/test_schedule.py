"""The planner: every text exactly once, within its limits, longest first."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ondol.runtime.schedule import plan, windows


def test_by_hand() -> None:
    lengths = [3, 5, 3, 9, 3]
    assert plan(lengths, max_batch_tokens=6, max_texts=8, equal_lengths=True, parallel_runs=1) == [
        (3,),  # longer than the budget: alone
        (1,),
        (0, 2),
        (4,),
    ]
    assert plan(
        lengths, max_batch_tokens=12, max_texts=2, equal_lengths=False, parallel_runs=1
    ) == [
        (3,),
        (1, 0),
        (2, 4),
    ]
    assert plan(lengths, max_batch_tokens=0, max_texts=8, equal_lengths=True, parallel_runs=2) == [
        (3,),
        (1,),
        (0,),
        (2,),
        (4,),
    ]
    assert plan([], max_batch_tokens=6, max_texts=8, equal_lengths=True, parallel_runs=2) == []


@given(
    lengths=st.lists(st.integers(2, 40)),
    budget=st.integers(0, 100),
    max_texts=st.integers(1, 9),
    equal=st.booleans(),
    parallel=st.integers(1, 5),
)
def test_every_text_once_and_no_limit_exceeded(
    lengths: list[int], budget: int, max_texts: int, equal: bool, parallel: int
) -> None:
    groups = plan(
        lengths,
        max_batch_tokens=budget,
        max_texts=max_texts,
        equal_lengths=equal,
        parallel_runs=parallel,
    )
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    longest = [lengths[group[0]] for group in groups]
    assert longest == sorted(longest, reverse=True)
    for group in groups:
        sizes = [lengths[index] for index in group]
        assert len(group) <= max_texts
        assert len(group) == 1 or sum(sizes) <= budget
        assert not equal or len(set(sizes)) == 1


def test_groups_are_as_full_as_the_budget_allows() -> None:
    groups = plan([4] * 10, max_batch_tokens=16, max_texts=99, equal_lengths=True, parallel_runs=2)
    assert [len(group) for group in groups] == [4, 4, 2]


@example(texts=5, length=2, parallel=3)
@example(texts=13, length=2, parallel=8)
@given(texts=st.integers(1, 40), length=st.integers(2, 40), parallel=st.integers(1, 8))
def test_few_texts_are_spread_over_the_runs_there_can_be_at_once(
    texts: int, length: int, parallel: int
) -> None:
    groups = plan(
        [length] * texts,
        max_batch_tokens=10_000,
        max_texts=99,
        equal_lengths=True,
        parallel_runs=parallel,
    )
    assert len(groups) >= min(parallel, texts)
    assert len(groups[0]) == max(1, texts // parallel)


@pytest.mark.parametrize("equal", [True, False])
def test_order_among_equals_is_the_callers(equal: bool) -> None:
    groups = plan([2, 2, 2], max_batch_tokens=2, max_texts=1, equal_lengths=equal, parallel_runs=1)
    assert groups == [(0,), (1,), (2,)]


@given(
    sizes=st.lists(st.integers(0, 50)),
    max_texts=st.integers(1, 9),
    max_size=st.integers(0, 120),
)
def test_windows_cover_everything_in_order_within_their_limits(
    sizes: list[int], max_texts: int, max_size: int
) -> None:
    found = list(windows(sizes, max_texts=max_texts, max_size=max_size))
    assert [index for window in found for index in window] == list(range(len(sizes)))
    for window in found:
        assert 1 <= len(window) <= max_texts
        assert len(window) == 1 or sum(sizes[index] for index in window) <= max_size


def test_windows_are_as_large_as_allowed() -> None:
    found = list(windows([5, 5, 5, 30, 1, 1], max_texts=2, max_size=10))
    assert found == [range(2), range(2, 3), range(3, 4), range(4, 6)]
