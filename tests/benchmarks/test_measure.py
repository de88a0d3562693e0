"""The parts of a measurement that can be checked by hand."""

import pytest

from ondol.benchmarks.measure import DEFAULT_EFFORT, Effort, percentile, thread_counts


@pytest.mark.parametrize(
    ("most", "counts"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (3, (1, 2, 3)),
        (4, (1, 2, 4)),
        (6, (1, 2, 4, 6)),
        (9, (1, 2, 4, 8, 9)),
    ],
)
def test_thread_counts_double_up_to_all(most: int, counts: tuple[int, ...]) -> None:
    assert thread_counts(most) == counts


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([7.0], 0.95, 7.0),
        (list(range(1, 21)), 0.95, 19),
        ([1, 2], 1, 2),
    ],
)
def test_percentile_by_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_the_default_leaves_calls_above_the_95th_percentile() -> None:
    assert DEFAULT_EFFORT.rounds * DEFAULT_EFFORT.least_calls >= 20


def test_an_effort_without_calls_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one round and one call"):
        Effort(rounds=0, seconds=1.0, least_calls=1, most_calls=1)
