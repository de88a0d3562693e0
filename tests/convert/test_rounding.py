"""Weights rounded for the product: never worse than plain rounding, and right at the edges."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ondol.convert.integers import (
    BLOCK,
    INT4_MAX,
    INT8_MAX,
    MULTIPLIER_MAX,
    Int4Weights,
    Int8Weights,
)
from ondol.convert.rounding import round_int4, round_int8
from ondol.errors import ConversionError

Array = NDArray[np.float64]
Matrix = NDArray[np.float32]
Rounded = Int8Weights | Int4Weights
RoundWeights = Callable[..., tuple[Rounded, Matrix]]

#: More than one chunk, and the last one not full.
INPUTS, OUTPUTS = 160, 24
TINY = np.full(OUTPUTS, 1e-9, dtype=np.float32)
BOTH = pytest.mark.parametrize("round_weights", [round_int8, round_int4])


def correlated(seed: int) -> tuple[Matrix, Array]:
    """A random weight matrix, and inputs (tokens, INPUTS) most of which 20 directions explain."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((20, INPUTS))
    source = rng.standard_normal((400, 20)) @ directions + 0.3 * rng.standard_normal((400, INPUTS))
    source *= rng.uniform(0.2, 3, INPUTS)
    weight = rng.standard_normal((INPUTS, OUTPUTS)).astype(np.float32)
    return weight, source


def steps_of(rounded: Rounded) -> Matrix:
    """The step of each weight."""
    if isinstance(rounded, Int8Weights):
        return np.broadcast_to(rounded.scales, rounded.values.shape)
    return np.repeat(rounded.multipliers, BLOCK, axis=0) * rounded.scales


def plainly(weight: Matrix, rounded: Rounded) -> NDArray[np.int64]:
    """The nearest integers under the scales of `rounded`."""
    limit = INT8_MAX if isinstance(rounded, Int8Weights) else INT4_MAX
    return np.clip(np.rint(weight / steps_of(rounded)), -limit, limit).astype(np.int64)


@BOTH
@pytest.mark.parametrize("seed", range(5))
def test_the_products_error_is_smaller_than_of_plain_rounding(
    round_weights: RoundWeights, seed: int
) -> None:
    weight, source = correlated(seed)
    rounded, _ = round_weights(weight, source.T @ source, TINY)
    plain = plainly(weight, rounded) * steps_of(rounded)
    error = np.square(source @ (rounded.to_float() - weight)).sum()
    plain_error = np.square(source @ (plain - weight)).sum()
    assert error < 0.5 * plain_error


@BOTH
def test_values_and_multipliers_stay_in_their_range(round_weights: RoundWeights) -> None:
    weight, source = correlated(7)
    weight[::7] *= 30  # corrections of small weights by large ones must not leave the range
    rounded, _ = round_weights(weight, source.T @ source, TINY)
    largest = np.abs(rounded.values.astype(int)).max()
    if isinstance(rounded, Int8Weights):
        assert largest == INT8_MAX
    else:
        assert largest == INT4_MAX
        assert rounded.multipliers.min() >= 1
        assert rounded.multipliers.max() == MULTIPLIER_MAX
    assert rounded.values.dtype == np.int8
    assert rounded.scales.dtype == np.float32


@BOTH
def test_independent_inputs_are_rounded_plainly(round_weights: RoundWeights) -> None:
    weight, _ = correlated(8)
    gram = np.diag(np.random.default_rng(8).uniform(0.1, 5, INPUTS))
    rounded, _ = round_weights(weight, gram, TINY)
    np.testing.assert_array_equal(rounded.values, plainly(weight, rounded))


@BOTH
def test_the_values_are_those_of_the_definition(round_weights: RoundWeights) -> None:
    """One channel after the other, with the inverse for those that are left made anew each time
    (arXiv 2210.17323, equation 2).
    """
    weight, source = correlated(9)
    gram = source.T @ source
    rounded, _ = round_weights(weight, gram, TINY)
    limit = INT8_MAX if isinstance(rounded, Int8Weights) else INT4_MAX
    damped = gram + 0.01 * np.diag(gram).mean() * np.eye(INPUTS)
    left, steps = weight.astype(np.float64), steps_of(rounded)
    expected = np.empty(weight.shape, dtype=np.int64)
    for index in range(INPUTS):
        inverse = np.linalg.inv(damped[index:, index:])
        expected[index] = np.clip(np.rint(left[index] / steps[index]), -limit, limit)
        error = left[index] - expected[index] * steps[index]
        left[index:] -= np.outer(inverse[:, 0] / inverse[0, 0], error)
    np.testing.assert_array_equal(rounded.values, expected)


@BOTH
def test_outputs_and_blocks_of_zeros(round_weights: RoundWeights) -> None:
    weight, source = correlated(10)
    weight[:, 3] = 0
    weight[BLOCK : 2 * BLOCK, 5] = 0
    independent = np.diag(np.square(source).sum(axis=0))
    rounded, _ = round_weights(weight, independent, TINY)
    assert not rounded.values[:, 3].any()
    assert not rounded.values[BLOCK : 2 * BLOCK, 5].any()
    assert rounded.scales[3] == TINY[3]
    assert np.isfinite(rounded.to_float()).all()
    assert rounded.values[:, 5].any()


@BOTH
def test_inputs_that_are_never_used(round_weights: RoundWeights) -> None:
    weight, source = correlated(11)
    unused = [0, 63, 64, *range(BLOCK, 2 * BLOCK), INPUTS - 1]
    source[:, unused] = 0
    rounded, _ = round_weights(weight, source.T @ source, TINY)
    assert np.isfinite(rounded.to_float()).all()
    # They neither take up the errors of others nor hand on their own.
    np.testing.assert_array_equal(rounded.values[unused], plainly(weight, rounded)[unused])
    plain = plainly(weight, rounded) * steps_of(rounded)
    error = np.square(source @ (rounded.to_float() - weight)).sum()
    assert error < 0.5 * np.square(source @ (plain - weight)).sum()


@BOTH
def test_without_any_input_rounding_is_plain(round_weights: RoundWeights) -> None:
    weight, _ = correlated(12)
    rounded, _ = round_weights(weight, np.zeros((INPUTS, INPUTS)), TINY)
    assert np.isfinite(rounded.scales).all()
    np.testing.assert_array_equal(rounded.values, plainly(weight, rounded))


@BOTH
def test_no_scale_is_smaller_than_asked_for(round_weights: RoundWeights) -> None:
    weight, source = correlated(13)
    gram = source.T @ source
    free = round_weights(weight, gram, TINY)[0].scales
    smallest = free.copy()
    smallest[::2] *= 3
    smallest[1::2] /= 3
    rounded, _ = round_weights(weight, gram, smallest)
    np.testing.assert_array_equal(rounded.scales[::2], smallest[::2])
    np.testing.assert_array_equal(rounded.scales[1::2], free[1::2])
    error = np.linalg.norm(source @ (rounded.to_float() - weight)[:, 1::2])
    assert error < 0.1 * np.linalg.norm(source @ weight[:, 1::2])


@BOTH
def test_exact_inputs_make_up_for_the_others(round_weights: RoundWeights) -> None:
    weight, source = correlated(15)
    exact = 20
    rounded, left = round_weights(weight, source.T @ source, TINY, exact=exact)
    assert (left.shape, left.dtype) == ((exact, OUTPUTS), np.float32)
    assert not rounded.values[-exact:].any()
    in_float = rounded.to_float()
    in_float[-exact:] = left
    uncorrected = rounded.to_float()
    uncorrected[-exact:] = weight[-exact:]
    error, worse = (np.square(source @ (w - weight)).sum() for w in (in_float, uncorrected))
    assert error < 0.5 * worse
    # A hundred times as large, they are still no reason for large steps.
    loud = weight.copy()
    loud[-exact:] *= 100
    again, _ = round_weights(loud, source.T @ source, TINY, exact=exact)
    np.testing.assert_array_equal(again.scales, rounded.scales)
    np.testing.assert_array_equal(again.values, rounded.values)


@BOTH
def test_exact_weights_are_the_best_that_is_left(round_weights: RoundWeights) -> None:
    """Against the least squares solution for what rounding the other inputs did."""
    weight, source = correlated(16)
    exact = 20
    gram = source.T @ source
    rounded, left = round_weights(weight, gram, TINY, exact=exact)
    first = INPUTS - exact
    damped = gram + 0.01 * np.diag(gram).mean() * np.eye(INPUTS)
    error = weight[:first] - rounded.to_float()[:first]
    change = np.linalg.solve(damped[first:, first:], damped[first:, :first] @ error)
    np.testing.assert_allclose(left, weight[first:] + change, rtol=1e-4, atol=1e-5)


@BOTH
def test_without_exact_inputs_nothing_is_left(round_weights: RoundWeights) -> None:
    weight, source = correlated(17)
    _, left = round_weights(weight, source.T @ source, TINY)
    assert left.shape == (0, OUTPUTS)


def test_int8_scales_span_the_largest_weight_of_each_output() -> None:
    weight, source = correlated(14)
    rounded, _ = round_int8(weight, source.T @ source, TINY)
    expected = np.abs(weight).max(axis=0) / INT8_MAX
    np.testing.assert_allclose(rounded.scales, expected, rtol=1e-6)


def test_int4_takes_the_precision_of_the_weights_that_matter() -> None:
    """Where one input of a block carries the product, its weight is not cut off for the others."""
    weight = np.full((BLOCK, 1), 0.45, dtype=np.float32)
    weight[0] = 7
    gram = np.eye(BLOCK)
    gram[0, 0] = 1e6
    smallest = np.full(1, 1e-9, dtype=np.float32)
    important = round_int4(weight, gram, smallest)[0].to_float()
    assert important[0, 0] == pytest.approx(7, rel=1e-6)
    gram[0, 0] = 1e-6
    unimportant = round_int4(weight, gram, smallest)[0].to_float()
    assert unimportant[0, 0] < 6
    assert np.abs(unimportant[1:] - 0.45).max() < np.abs(important[1:] - 0.45).max()


def test_int4_needs_whole_blocks() -> None:
    weight = np.ones((48, 2), dtype=np.float32)
    message = "a matrix's number of inputs is 48; .* blocks of 32"
    with pytest.raises(ConversionError, match=message):
        round_int4(weight, np.eye(48), np.full(2, 1e-9, dtype=np.float32))
