"""Token states to vectors, the same for every engine."""

import numpy as np
from numpy.typing import NDArray

from ondol.checkpoint import Pooling
from ondol.errors import NumericalError
from ondol.runtime.backend import TokenStates

Vector = NDArray[np.float32]

#: torch.nn.functional.normalize divides by max(norm, eps); a text whose norm is not above it has
#: no direction.
_SMALLEST_NORM = 1e-12


def pool(token_states: TokenStates, pooling: Pooling) -> Vector:
    """One vector from the states of one text.

    Args:
        token_states: (tokens, dim) float32, tokens at least 1, no padding among them.

    Returns (dim,) float32: the mean over the tokens, the first (`<s>`) or the last (`</s>`) state,
    as sentence-transformers' Pooling module with include_prompt true.
    """
    match pooling:
        case Pooling.MEAN:
            pooled = token_states.mean(axis=0, dtype=np.float64)
        case Pooling.CLS:
            pooled = token_states[0]
        case Pooling.LAST_TOKEN:
            pooled = token_states[-1]
    return np.array(pooled, dtype=np.float32)  # a copy: token_states may be a view of a batch


def finish(vector: Vector, *, normalize: bool, index: int) -> Vector:
    """Check a pooled vector, and scale it to L2 norm 1 if `normalize`.

    Args:
        vector: (dim,) float32.
        index: of the text, for the message.

    Returns (dim,) float32. Raises NumericalError for NaN, infinity, or a zero vector that would
    have to be normalised.
    """
    norm = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(norm):
        raise NumericalError(
            f"the engine returned NaN or infinity for text {index}; try another variant, and run "
            "`ondol verify` on the bundle"
        )
    if not normalize:
        return vector
    if norm <= _SMALLEST_NORM:
        raise NumericalError(
            f"the engine returned a zero vector for text {index}, which has no direction; try "
            "another variant, and run `ondol verify` on the bundle"
        )
    return (vector / np.float32(norm)).astype(np.float32, copy=False)
