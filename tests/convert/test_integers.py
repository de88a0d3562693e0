"""Integers with scales: how far they are from what they stand for, and how they are packed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from ondol.convert.integers import (
    BLOCK,
    INT4_MAX,
    INT8_MAX,
    MULTIPLIER_MAX,
    Int4Rows,
    Int4Weights,
    Int8Rows,
    Int8Weights,
    pack_int4,
    require_blocks,
)
from ondol.errors import ConversionError

#: Half a step, and what float32 rounding adds to it.
HALF = 0.5001


@st.composite
def tables(draw: st.DrawFn) -> NDArray[np.float32]:
    """(rows, one to three blocks) float32; float16 draws, so that no square underflows."""
    shape = draw(st.integers(1, 4)), BLOCK * draw(st.integers(1, 3))
    numbers = st.floats(-1000, 1000, width=16)
    table: NDArray[np.float16] = draw(arrays.arrays(np.float16, shape, elements=numbers))
    return table.astype(np.float32)


@given(tables())
def test_int8_rows_are_off_by_half_a_step_at_most(table: NDArray[np.float32]) -> None:
    rows = Int8Rows.of(table)
    assert (rows.values.dtype, rows.scales.dtype) == (np.int8, np.float32)
    assert (rows.values.shape, rows.scales.shape) == (table.shape, (len(table), 1))
    assert (np.abs(rows.to_float() - table) <= HALF * rows.scales).all()
    used = table.any(axis=1)
    assert (np.abs(rows.values[used].astype(int)).max(axis=1) == INT8_MAX).all()


@given(tables())
def test_int4_rows_are_off_by_half_a_step_unless_cut_off(table: NDArray[np.float32]) -> None:
    rows = Int4Rows.of(table)
    blocks = table.shape[1] // BLOCK
    assert (rows.values.shape, rows.multipliers.shape) == (table.shape, (len(table), blocks))
    assert np.abs(rows.values.astype(int)).max() <= INT4_MAX
    assert rows.multipliers.min() >= 1
    steps = np.repeat(rows.multipliers, BLOCK, axis=1) * rows.scales
    # A value past the largest integer is cut off to it, and stands for less than it was.
    cut = np.abs(table) > (INT4_MAX + 0.5) * steps
    assert (rows.values[cut] == INT4_MAX * np.sign(table[cut])).all()
    assert (np.abs(rows.to_float() - table)[~cut] <= (HALF * steps)[~cut]).all()


@given(tables())
def test_cutting_off_never_makes_a_block_worse(table: NDArray[np.float32]) -> None:
    rows = Int4Rows.of(table)
    blocks = table.reshape(len(table), -1, BLOCK).astype(np.float64)
    largest = np.abs(blocks).max(axis=2) / INT4_MAX
    steps = np.clip(np.rint(largest / rows.scales), 1, 255) * rows.scales
    nearest = np.clip(np.rint(blocks / steps[:, :, None]), -INT4_MAX, INT4_MAX)
    uncut = np.square(nearest * steps[:, :, None] - blocks).sum(axis=2)
    error = np.square(rows.to_float().reshape(blocks.shape) - blocks).sum(axis=2)
    # The shares are compared in float32, where each value may be off by its last digits.
    last_digits = 4 * np.sqrt(BLOCK) * np.spacing(np.abs(table).max())
    assert (np.sqrt(error) <= np.sqrt(uncut) * (1 + 1e-4) + last_digits).all()


def test_int4_rows_follow_each_block() -> None:
    """A block 100 times as small as another of its row keeps its own precision."""
    rng = np.random.default_rng(0)
    table = rng.standard_normal((50, 2 * BLOCK)).astype(np.float32)
    table[:, BLOCK:] /= 100
    error = Int4Rows.of(table).to_float() - table
    for half in (slice(0, BLOCK), slice(BLOCK, None)):
        assert np.linalg.norm(error[:, half]) < 0.12 * np.linalg.norm(table[:, half])


@pytest.mark.parametrize("kind", [Int8Rows, Int4Rows])
def test_rows_of_zeros(kind: type[Int8Rows | Int4Rows]) -> None:
    table = np.zeros((3, BLOCK), dtype=np.float32)
    table[1] = 2.5
    rows = kind.of(table)
    assert not rows.values[[0, 2]].any()
    assert np.isfinite(rows.scales).all()
    assert (rows.scales > 0).all()
    assert not rows.to_float()[[0, 2]].any()
    # Equal values stand on one level, so the error is that of a step's rounding alone.
    np.testing.assert_allclose(rows.to_float()[1], 2.5, rtol=2e-3)


def test_a_block_of_zeros_in_a_row() -> None:
    table = np.zeros((1, 2 * BLOCK), dtype=np.float32)
    table[0, 3] = -4
    found = Int4Rows.of(table).to_float()
    assert found[0, 3] == pytest.approx(-4, rel=2e-3)
    assert np.count_nonzero(found) == 1


def test_the_byte_that_holds_two_values() -> None:
    values = np.array([[-8, -1, 0, 7]], dtype=np.int8)
    # 0 and 8 share a byte, 7 and 15.
    np.testing.assert_array_equal(pack_int4(values, axis=1), [[0 + 16 * 8, 7 + 16 * 15]])
    np.testing.assert_array_equal(pack_int4(values.T, axis=0), [[0 + 16 * 8], [7 + 16 * 15]])


@given(st.data())
def test_packed_values_come_back(data: Any) -> None:
    axis = data.draw(st.integers(0, 2))
    shape = [data.draw(st.integers(1, 3)) for _ in range(3)]
    shape[axis] *= 2
    numbers = st.integers(-8, 7)
    values = data.draw(arrays.arrays(np.int8, tuple(shape), elements=numbers))
    packed = pack_int4(values, axis=axis)
    assert packed.dtype == np.uint8
    assert 2 * packed.size == values.size
    unpacked = np.concatenate([packed & 15, packed >> 4], axis=axis).astype(np.int8) - 8
    np.testing.assert_array_equal(unpacked, values)


@given(st.data())
def test_int4_weights_unfold_exactly(data: Any) -> None:
    blocks, outputs = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    values = data.draw(
        arrays.arrays(np.int8, (blocks * BLOCK, outputs), elements=st.integers(-INT4_MAX, INT4_MAX))
    )
    multipliers = data.draw(
        arrays.arrays(np.uint8, (blocks, outputs), elements=st.integers(1, MULTIPLIER_MAX))
    )
    scales = np.linspace(0.01, 2, outputs, dtype=np.float32)
    unfolded = Int4Weights(values, multipliers, scales).to_int8()
    expected = np.array(
        [
            [int(values[i, j]) * int(multipliers[i // BLOCK, j]) for j in range(outputs)]
            for i in range(blocks * BLOCK)
        ]
    )
    assert np.abs(expected).max() <= INT8_MAX
    assert unfolded.values.dtype == np.int8
    np.testing.assert_array_equal(unfolded.values, expected)
    np.testing.assert_array_equal(unfolded.scales, scales)
    folded = Int4Weights(values, multipliers, scales).to_float()
    np.testing.assert_array_equal(folded, expected.astype(np.float32) * scales)


def test_the_largest_product_is_an_int8() -> None:
    values = np.array([[INT4_MAX], [-INT4_MAX]] * (BLOCK // 2), dtype=np.int8)
    multipliers = np.array([[MULTIPLIER_MAX]], dtype=np.uint8)
    unfolded = Int4Weights(values, multipliers, np.ones(1, dtype=np.float32)).to_int8()
    assert set(unfolded.values[:, 0].tolist()) == {126, -126}


def test_int8_weights_have_a_scale_per_output() -> None:
    values = np.array([[1, -127], [0, 3]], dtype=np.int8)
    found = Int8Weights(values, np.array([0.5, 2], dtype=np.float32)).to_float()
    np.testing.assert_array_equal(found, np.array([[0.5, -254], [0, 6]], dtype=np.float32))


def test_sizes_that_are_no_multiple_of_a_block() -> None:
    require_blocks(96, "hidden_size")
    message = "hidden_size is 48; 4-bit values come in blocks of 32, .* Leave onnx-int4 out"
    with pytest.raises(ConversionError, match=message):
        require_blocks(48, "hidden_size")
    with pytest.raises(ConversionError, match=message):
        Int4Rows.of(np.ones((2, 48), dtype=np.float32))
