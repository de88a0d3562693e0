"""The planner: every text exactly once, within its limits, longest first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.runtime.schedule import plan


def test_by_hand() -> None:
    lengths = [3, 5, 3, 9, 3]
    assert plan(lengths, max_batch_tokens=6, max_texts=8, equal_lengths=True) == [
        (3,),  # longer than the budget: alone
        (1,),
        (0, 2),
        (4,),
    ]
    assert plan(lengths, max_batch_tokens=12, max_texts=2, equal_lengths=False) == [
        (3,),
        (1, 0),
        (2, 4),
    ]
    assert plan(lengths, max_batch_tokens=0, max_texts=8, equal_lengths=True) == [
        (3,),
        (1,),
        (0,),
        (2,),
        (4,),
    ]
    assert plan([], max_batch_tokens=6, max_texts=8, equal_lengths=True) == []


@given(
    lengths=st.lists(st.integers(2, 40)),
    budget=st.integers(0, 100),
    max_texts=st.integers(1, 9),
    equal=st.booleans(),
)
def test_every_text_once_and_no_limit_exceeded(
    lengths: list[int], budget: int, max_texts: int, equal: bool
) -> None:
    groups = plan(lengths, max_batch_tokens=budget, max_texts=max_texts, equal_lengths=equal)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    longest = [lengths[group[0]] for group in groups]
    assert longest == sorted(longest, reverse=True)
    for group in groups:
        sizes = [lengths[index] for index in group]
        assert len(group) <= max_texts
        assert len(group) == 1 or sum(sizes) <= budget
        assert not equal or len(set(sizes)) == 1


def test_groups_are_as_full_as_the_budget_allows() -> None:
    groups = plan([4] * 10, max_batch_tokens=16, max_texts=99, equal_lengths=True)
    assert [len(group) for group in groups] == [4, 4, 2]


@pytest.mark.parametrize("equal", [True, False])
def test_order_among_equals_is_the_callers(equal: bool) -> None:
    assert plan([2, 2, 2], max_batch_tokens=2, max_texts=1, equal_lengths=equal) == [
        (0,),
        (1,),
        (2,),
    ]
