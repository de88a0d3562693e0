"""Vectors with fewer dimensions and in fewer bytes, as sentence-transformers makes them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ondol.errors import InputError
from ondol.precision import Precision
from ondol.runtime.pool import Vector, finish


def shorten(vector: Vector, dimension: int, *, normalize: bool, index: int) -> Vector:
    """The first `dimension` elements, scaled to L2 norm 1 again if `normalize`.

    Args:
        vector: (dim,) float32.
        index: of the text, for the message.

    Returns (min(dim, dimension),) float32. Raises NumericalError if nothing is left to scale.
    """
    if dimension >= len(vector):
        return vector
    return finish(vector[:dimension], normalize=normalize, index=index)


def quantize(
    vectors: NDArray[np.float32], precision: Precision, ranges: NDArray[np.float32] | None
) -> NDArray[np.float32] | NDArray[np.int8] | NDArray[np.uint8]:
    """The same bytes as `sentence_transformers.util.quantize_embeddings` (5.x) returns.

    Args:
        vectors: (n, dim) float32.
        ranges: (2, dim) float32, smallest and largest value of each dimension; needed by INT8 and
            UINT8 alone. A value outside of them gets the nearest end.

    Returns (n, precision.columns(dim)) of precision.dtype. A packed column holds eight dimensions,
    the first one in the highest bit, and zeros past the last one.
    """
    if precision is Precision.FLOAT32:
        return vectors
    if precision.packed:
        bits = np.packbits(vectors > 0, axis=-1)  # (n, columns) uint8
        # Subtracting 128 in eight bits turns the highest one over.
        return bits if precision is Precision.UBINARY else (bits ^ np.uint8(128)).view(np.int8)
    assert ranges is not None
    low, high = ranges
    # Term by term as there: another order would round some values to the next level.
    steps = (high - low) / 255
    steps = np.where(steps == 0, 1, steps)
    levels = np.clip(np.floor((vectors - low) / steps), 0, 255)
    if precision is Precision.UINT8:
        return np.asarray(levels, dtype=np.uint8)
    return np.asarray(levels - 128, dtype=np.int8)


class OutputRanges:
    """The range of every dimension over the vectors of calibration text.

    They depend on how many dimensions are kept and on normalising, because both change the numbers,
    and on nothing else: so a text has the same int8 vector in every call.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        """vectors: (texts, dim) float32, whole, of at least one text."""
        self._vectors = vectors
        self._known: dict[tuple[int, bool], NDArray[np.float32]] = {}

    def of(self, dimension: int, *, normalize: bool) -> NDArray[np.float32]:
        """(2, dimension) float32: smallest and largest, after `shorten` to `dimension`.

        Raises InputError if vectors have not so many elements.
        """
        if dimension > self._vectors.shape[1]:
            raise InputError(
                f"got vectors of {dimension} columns; whole ones have {self._vectors.shape[1]}"
            )
        key = dimension, normalize
        if key not in self._known:
            # Two threads may both compute it: to the same numbers.
            kept = np.stack(
                [
                    shorten(
                        finish(vector, normalize=normalize, index=index),
                        dimension,
                        normalize=normalize,
                        index=index,
                    )
                    for index, vector in enumerate(self._vectors)
                ]
            )  # (texts, dimension)
            self._known[key] = np.stack([kept.min(axis=0), kept.max(axis=0)])
        return self._known[key]


def dequantize(vectors: ArrayLike, ranges: OutputRanges, *, normalize: bool) -> NDArray[np.float32]:
    """INT8 or UINT8 vectors as numbers again, each the middle of its step.

    Args:
        vectors: (n, dim) int8 or uint8, or (dim,) for one; the columns tell how many elements were
            kept.
        ranges: those that quantized them.
        normalize: whether they had norm 1.

    Returns float32 of the same shape. Raises InputError for vectors of another type.
    """
    levels = np.asarray(vectors)
    if levels.dtype not in (np.int8, np.uint8) or levels.ndim not in (1, 2):
        raise InputError(
            f"got vectors of {levels.dtype} and shape {levels.shape}; expected int8 or uint8, "
            "(n, dim) or (dim,), as encode returns them with that precision"
        )
    low, high = ranges.of(levels.shape[-1], normalize=normalize)
    first = 128 if levels.dtype == np.int8 else 0
    middles = levels.astype(np.float32) + np.float32(first + 0.5)
    return np.asarray(middles * ((high - low) / 255) + low, dtype=np.float32)
