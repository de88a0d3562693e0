"""Axes: where values and marks lie, and what the marks say."""

import math

import pytest

from ondol.benchmarks.axis import Axis, Scale


def labels(scale: Scale) -> list[str]:
    return [scale.label(mark) for mark in scale.marks]


def test_a_linear_axis_counts_in_round_steps() -> None:
    scale = Scale(Axis("ms"), [0.0, 100.0])
    assert labels(scale) == ["0", "20", "40", "60", "80", "100"]
    assert scale.share(50.0) == pytest.approx(0.5)


def test_close_values_get_the_decimals_that_tell_the_marks_apart() -> None:
    scale = Scale(Axis("cosine"), [0.9985, 1.0])
    assert labels(scale) == ["0.9985", "0.9990", "0.9995", "1.0000"]


def test_a_logarithmic_axis_is_even_in_factors() -> None:
    scale = Scale(Axis("MB", log=True), [1.0, 100.0])
    assert labels(scale) == ["1", "2", "5", "10", "20", "50", "100"]
    assert scale.share(10.0) == pytest.approx(0.5)


def test_a_logarithmic_axis_of_close_values_has_marks_too() -> None:
    assert labels(Scale(Axis("MB", log=True), [17.6])) == ["14", "16", "18", "20", "22"]


def test_no_mark_is_above_the_largest_value_there_can_be() -> None:
    assert labels(Scale(Axis("cosine", largest=1.0), [0.999]))[-1] == "1.00"


def test_small_and_large_marks_of_a_logarithmic_axis() -> None:
    marks = labels(Scale(Axis("ms", log=True), [0.04, 3000.0]))
    assert marks[0] == "0.1"
    assert marks[-1] == "1,000"


def test_an_axis_from_zero_begins_there() -> None:
    scale = Scale(Axis("tokens/s", from_zero=True), [900.0, 1000.0])
    assert scale.share(0.0) == 0.0
    assert scale.marks[0] == 0.0


def test_a_single_value_lies_inside() -> None:
    for axis in (Axis("a"), Axis("b", log=True)):
        scale = Scale(axis, [7.0, 7.0])
        assert scale.share(7.0) == pytest.approx(0.5)
    assert 0 < Scale(Axis("c"), [0.0]).share(0.0) < 1


def test_given_marks_are_taken() -> None:
    scale = Scale(Axis("tokens", log=True, marks=(16, 64, 256, 512)), [16, 512])
    assert labels(scale) == ["16", "64", "256", "512"]


@pytest.mark.parametrize(
    ("axis", "values", "message"),
    [
        (Axis("a"), [], "got no values"),
        (Axis("b"), [1.0, math.nan], "got nan; expected numbers that are finite"),
        (Axis("c", log=True), [1.0, 0.0], "got 0.0; expected numbers above 0"),
    ],
)
def test_what_cannot_be_shown_is_an_error(axis: Axis, values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=f"'{axis.title}' {message}"):
        Scale(axis, values)
