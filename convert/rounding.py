"""Weights to integers so that the error of the product, not of the weights, is small.

GPTQ (Frantar and others 2022, arXiv 2210.17323): weights are rounded one input channel after the
other, and what rounding one of them does to the product is made up for by the channels that are
still to come, weighted by how the inputs of calibration text go together.
"""

import numpy as np
from numpy.typing import NDArray

from ondol.convert.integers import (
    BLOCK,
    INT4_MAX,
    INT8_MAX,
    MULTIPLIER_MAX,
    Int4Weights,
    Int8Weights,
    Matrix,
    Vector,
    require_blocks,
)

#: Share of the mean of the diagonal that is added to it, so that channels that calibration text
#: hardly uses do not take up the errors of others; the value of the paper (section 3.3).
_DAMPING = 0.01
#: Channels whose corrections are applied to the rest at once. A matter of speed alone.
_CHUNK = 64
#: Shares of a block's largest weight that are tried as its largest 4-bit value.
_CLIPPING = (1.0, 0.95, 0.9, 0.85, 0.8)

Gram = NDArray[np.float64]


def round_int8(
    weight: Matrix, gram: Gram, smallest_scales: Vector, *, exact: int = 0
) -> tuple[Int8Weights, Matrix]:
    """Weights of 8 bits, one scale per output channel.

    Args:
        weight: (inputs, outputs) float32.
        gram: (inputs, inputs) float64, the sum over calibration tokens of the outer product of the
            product's input with itself.
        smallest_scales: (outputs,) float32 above 0; no scale gets smaller.
        exact: how many of the last inputs stay in float32.

    Returns the integers, zeros for the exact inputs, and the weights of these, (exact, outputs)
    float32, which make up for what rounding the others did.
    """
    rounded = weight[: len(weight) - exact]
    scales: Vector = np.maximum(np.abs(rounded).max(axis=0) / INT8_MAX, smallest_scales)
    values, left = _round(weight, gram, scales[None], INT8_MAX, exact)
    return Int8Weights(values, scales), left


def round_int4(
    weight: Matrix, gram: Gram, smallest_scales: Vector, *, exact: int = 0
) -> tuple[Int4Weights, Matrix]:
    """As round_int8, with 4 bits and a scale per block of inputs.

    Raises ConversionError if the number of inputs is not a multiple of BLOCK.
    """
    require_blocks(weight.shape[0], "a matrix's number of inputs")
    rounded = weight.copy()
    rounded[len(weight) - exact :] = 0
    steps = _block_steps(rounded, gram)
    scales: Vector = np.maximum(steps.max(axis=0) / MULTIPLIER_MAX, smallest_scales)
    multipliers = np.clip(np.rint(steps / scales), 1, MULTIPLIER_MAX).astype(np.uint8)
    values, left = _round(weight, gram, multipliers * scales, INT4_MAX, exact)
    return Int4Weights(values, multipliers, scales), left


def _block_steps(weight: Matrix, gram: Gram) -> Matrix:
    """Step of each block, (blocks, outputs): the one with the smallest weighted squared error."""
    inputs, outputs = weight.shape
    blocks = weight.reshape(inputs // BLOCK, BLOCK, outputs)
    importance = np.diag(gram).reshape(-1, BLOCK, 1)
    full = np.abs(blocks).max(axis=1) / INT4_MAX  # (blocks, outputs)
    full = np.maximum(full, np.finfo(np.float32).tiny)  # blocks of zeros
    best = np.full(full.shape, np.inf, dtype=np.float32)
    steps: Matrix = full.copy()
    for share in _CLIPPING:
        step = share * full
        rounded = np.clip(np.rint(blocks / step[:, None]), -INT4_MAX, INT4_MAX) * step[:, None]
        error = (importance * np.square(rounded - blocks)).sum(axis=1)
        better = error < best
        best[better] = error[better]
        steps[better] = step[better]
    return steps


def _round(
    weight: Matrix, gram: Gram, steps: Matrix, limit: int, exact: int
) -> tuple[NDArray[np.int8], Matrix]:
    """Values from -limit to limit, (inputs, outputs), and the corrected weights of the last inputs.

    Args:
        steps: (groups, outputs); each row holds for the same number of neighbouring inputs.
    """
    inputs, outputs = weight.shape
    per_group = inputs // len(steps)
    rounded_inputs = inputs - exact
    diagonal = np.diag(gram)
    damped = gram + np.diag(np.full(inputs, _DAMPING * (diagonal.mean() or 1.0)))
    # Row i of the upper Cholesky factor of the inverse holds what channel i hands on to the later
    # ones once the earlier ones are fixed (section 3.3, step 3).
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T
    left = weight.astype(np.float64)
    values = np.zeros(weight.shape, dtype=np.int8)
    for start in range(0, rounded_inputs, _CHUNK):
        end = min(start + _CHUNK, rounded_inputs)
        errors = np.empty((end - start, outputs))
        for index in range(start, end):
            step = steps[index // per_group]
            rounded = np.clip(np.rint(left[index] / step), -limit, limit)
            values[index] = rounded.astype(np.int8)
            errors[index - start] = (left[index] - rounded * step) / factor[index, index]
            left[index + 1 : end] -= np.outer(factor[index, index + 1 : end], errors[index - start])
        left[end:] -= factor[start:end, end:].T @ errors
    return values, left[rounded_inputs:].astype(np.float32)
