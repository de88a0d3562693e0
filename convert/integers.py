"""Numbers kept as integers with scales: what a quantized file holds, and what it stands for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ondol.errors import ConversionError

Matrix = NDArray[np.float32]
Vector = NDArray[np.float32]

#: Values that share one 4-bit scale; the block size of ggml's q4_0 and of onnxruntime's
#: MatMulNBits default.
BLOCK = 32
#: Symmetric 8-bit values, as onnxruntime's static quantization has them.
INT8_MAX = 127
#: Symmetric 4-bit values.
INT4_MAX = 7
#: INT4_MAX times this still fits into INT8_MAX.
MULTIPLIER_MAX = INT8_MAX // INT4_MAX


@dataclass(frozen=True)
class Int8Weights:
    """A weight matrix with one scale per output channel.

    Attributes:
        values: (inputs, outputs) int8.
        scales: (outputs,) float32.
    """

    values: NDArray[np.int8]
    scales: Vector

    def to_float(self) -> Matrix:
        """(inputs, outputs) float32."""
        return self.values.astype(np.float32) * self.scales

    def first_inputs(self, count: int) -> "Int8Weights":
        """Without the rows of later inputs."""
        return Int8Weights(self.values[:count], self.scales)

    def outputs(self, outputs: slice) -> "Int8Weights":
        """The columns of some output channels."""
        return Int8Weights(self.values[:, outputs], self.scales[outputs])


@dataclass(frozen=True)
class Int4Weights:
    """A weight matrix of 4-bit values that unfolds into an Int8Weights without another rounding.

    A block of BLOCK inputs of one output channel has a small whole number as its scale; the product
    of both is an int8 value under the channel's scale. So the file is small, and the products run
    at the speed of int8. (Two scales one above the other: QServe, arXiv 2405.04532, section 4.)

    Attributes:
        values: (inputs, outputs) int8 from -INT4_MAX to INT4_MAX.
        multipliers: (inputs / BLOCK, outputs) uint8 from 1 to MULTIPLIER_MAX.
        scales: (outputs,) float32.
    """

    values: NDArray[np.int8]
    multipliers: NDArray[np.uint8]
    scales: Vector

    def to_int8(self) -> Int8Weights:
        return Int8Weights(
            self.values * np.repeat(self.multipliers, BLOCK, axis=0).astype(np.int8), self.scales
        )

    def to_float(self) -> Matrix:
        """(inputs, outputs) float32."""
        return self.to_int8().to_float()

    def first_inputs(self, count: int) -> "Int4Weights":
        """Without the rows of later inputs; `count` is a multiple of BLOCK."""
        return Int4Weights(self.values[:count], self.multipliers[: count // BLOCK], self.scales)

    def outputs(self, outputs: slice) -> "Int4Weights":
        """The columns of some output channels."""
        return Int4Weights(
            self.values[:, outputs], self.multipliers[:, outputs], self.scales[outputs]
        )


@dataclass(frozen=True)
class Int8Rows:
    """An embedding table with one scale per row.

    Attributes:
        values: (rows, hidden_size) int8.
        scales: (rows, 1) float32.
    """

    values: NDArray[np.int8]
    scales: Matrix

    @classmethod
    def of(cls, table: Matrix) -> "Int8Rows":
        """The nearest values; the largest of a row becomes INT8_MAX."""
        scales = _not_zero(np.abs(table).max(axis=1, keepdims=True) / INT8_MAX)
        return cls(np.rint(table / scales).astype(np.int8), scales)

    def to_float(self) -> Matrix:
        """(rows, hidden_size) float32."""
        return self.values.astype(np.float32) * self.scales


@dataclass(frozen=True)
class Int4Rows:
    """An embedding table of 4-bit values with a scale per block of a row.

    Attributes:
        values: (rows, hidden_size) int8 from -INT4_MAX to INT4_MAX.
        multipliers: (rows, hidden_size / BLOCK) uint8.
        scales: (rows, 1) float32; a block's scale is its multiplier times that of its row.
    """

    values: NDArray[np.int8]
    multipliers: NDArray[np.uint8]
    scales: Matrix

    @classmethod
    def of(cls, table: Matrix) -> "Int4Rows":
        """Per block the scale, of a few tried, with the smallest squared error.

        Raises ConversionError if hidden_size is not a multiple of BLOCK.
        """
        rows, hidden = table.shape
        require_blocks(hidden, "hidden_size")
        blocks = table.reshape(rows, hidden // BLOCK, BLOCK)
        largest = np.abs(blocks).max(axis=2)  # (rows, blocks)
        scales = _not_zero(largest.max(axis=1, keepdims=True) / (INT4_MAX * 255))
        best = np.full(largest.shape, np.inf, dtype=np.float32)
        multipliers = np.ones(largest.shape, dtype=np.uint8)
        values = np.zeros(blocks.shape, dtype=np.int8)
        # Cutting the largest value off a little makes the steps of all others finer.
        for share in np.linspace(0.7, 1.0, 7, dtype=np.float32):
            tried = np.clip(np.rint(share * largest / (INT4_MAX * scales)), 1, 255)
            step = (tried * scales)[:, :, None]
            nearest = np.clip(np.rint(blocks / step), -INT4_MAX, INT4_MAX)
            error = np.square(nearest * step - blocks).sum(axis=2)
            better = error < best
            best[better] = error[better]
            multipliers[better] = tried[better].astype(np.uint8)
            values[better] = nearest[better].astype(np.int8)
        return cls(values.reshape(rows, hidden), multipliers, scales)

    def to_float(self) -> Matrix:
        """(rows, hidden_size) float32."""
        steps = np.repeat(self.multipliers, BLOCK, axis=1).astype(np.float32) * self.scales
        return self.values.astype(np.float32) * steps


def pack_int4(values: NDArray[np.int8], axis: int) -> NDArray[np.uint8]:
    """Two values in a byte: the first half of `axis` in the low bits, the second in the high ones.

    Args:
        values: from -8 to 7, with an even number along `axis`. They are stored with 8 added.
    """
    low, high = np.split((values + 8).astype(np.uint8), 2, axis=axis)
    return (low + 16 * high).astype(np.uint8)


def require_blocks(size: int, name: str) -> None:
    """Raises ConversionError if `size` is not a multiple of BLOCK."""
    if size % BLOCK:
        raise ConversionError(
            f"{name} is {size}; 4-bit values come in blocks of {BLOCK}, so it must be a multiple "
            "of that. Leave onnx-int4 out"
        )


def _not_zero(scales: Matrix) -> Matrix:
    """A row of zeros gets the scale 1."""
    result: Matrix = np.where(scales > 0, scales, 1).astype(np.float32)
    return result
