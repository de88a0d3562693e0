"""The interval holds the true difference as often as it says, and pairing makes it narrow."""

import numpy as np
import pytest
from quality.bootstrap import CONFIDENCE, RESAMPLES, paired_difference, resample_counts
from quality.metrics import Mean, RankCorrelation


def test_counts_are_draws_with_replacement() -> None:
    counts = resample_counts(50, resamples=400)
    assert counts.shape == (400, 50)
    assert (counts.sum(axis=1) == 50).all()
    # An item is left out with probability (1 - 1/n)^n.
    assert (counts == 0).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.01)


def test_counts_are_the_same_in_every_run() -> None:
    assert (resample_counts(20, resamples=5) == resample_counts(20, resamples=5)).all()


def test_enough_resamples_for_the_tails() -> None:
    assert RESAMPLES * (1 - CONFIDENCE) / 2 >= 50


def test_interval_covers_the_true_difference_as_often_as_it_says() -> None:
    """300 experiments, each on 100 fresh items; scores of both models hang on the item."""
    generator = np.random.default_rng(5)
    counts = resample_counts(100, resamples=1000)
    true_difference, experiments, covered = 0.02, 300, 0
    for _ in range(experiments):
        hardness = generator.beta(2, 2, 100)
        base = hardness + generator.normal(0, 0.05, 100)
        model = hardness + true_difference + generator.normal(0, 0.05, 100)
        found = paired_difference(Mean(model), Mean(base), counts)
        covered += found.low <= true_difference <= found.high
    # Four standard deviations of a binomial around 0.95: 0.95 ± 4 · sqrt(0.95 · 0.05 / 300).
    assert covered / experiments == pytest.approx(CONFIDENCE, abs=0.05)


def test_rank_correlation_interval_covers_zero_for_models_of_equal_quality() -> None:
    generator = np.random.default_rng(6)
    counts = resample_counts(100, resamples=500)
    experiments, covered = 200, 0
    for _ in range(experiments):
        people = generator.normal(0, 1, 100)
        base, model = (RankCorrelation(people + generator.normal(0, 1, 100), people) for _ in "ab")
        found = paired_difference(model, base, counts)
        covered += found.low <= 0 <= found.high
    # Four standard deviations: 4 · sqrt(0.95 · 0.05 / 200).
    assert covered / experiments == pytest.approx(CONFIDENCE, abs=0.062)


def test_pairing_takes_out_what_is_hard_for_both() -> None:
    generator = np.random.default_rng(7)
    hardness = generator.uniform(0, 1, 400)
    counts = resample_counts(400)
    base = Mean(hardness)
    model = Mean(hardness - 0.01 + generator.normal(0, 0.01, 400))
    found = paired_difference(model, base, counts)
    assert found.value == pytest.approx(-0.01, abs=0.002)
    assert found.high < 0, "a steady loss of 0.01 is seen"
    low, high = np.quantile(base(counts), [0.025, 0.975])
    assert found.high - found.low < (high - low) / 10


def test_resamples_without_any_order_are_left_out() -> None:
    counts = np.array([[1, 1, 1], [3, 0, 0], [0, 2, 1]])
    people = np.array([0.0, 1.0, 2.0])
    base = RankCorrelation(people, people)
    assert base(counts).tolist() == pytest.approx([1, np.nan, 1], nan_ok=True)
    found = paired_difference(RankCorrelation(-people, people), base, counts)
    assert (found.value, found.low, found.high) == pytest.approx((-2, -2, -2))


def test_a_model_does_not_differ_from_itself() -> None:
    scores = Mean(np.random.default_rng(8).uniform(0, 1, 30))
    found = paired_difference(scores, scores, resample_counts(30))
    assert (found.value, found.low, found.high) == (0, 0, 0)
