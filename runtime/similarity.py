"""Comparing vectors."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ondol.errors import InputError


def cosine_similarity(a: ArrayLike, b: ArrayLike) -> NDArray[np.float32]:
    """Cosine of every row of `a` with every row of `b`.

    Args:
        a, b: (n, dim) and (m, dim), or (dim,) for one vector.

    Returns (n, m) float32. The cosine with a zero vector is 0, as in sentence-transformers.

    Raises InputError for int8 and uint8, whose columns may be numbers or eight bits each: the array
    does not tell.
    """
    for value in (a, b):
        if np.asarray(value).dtype in (np.int8, np.uint8):
            raise InputError(
                f"similarity got vectors of {np.asarray(value).dtype}; expected float32. Pass "
                "int8 and uint8 ones of a byte per element through Embedder.dequantize first, and "
                "compare binary and ubinary ones by Hamming distance"
            )
    left, right = (np.atleast_2d(np.asarray(value, dtype=np.float32)) for value in (a, b))
    return np.asarray(_unit(left) @ _unit(right).T, dtype=np.float32)


def rowwise_cosine(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Cosine of each row of `a` with the same row of `b`: (n, dim), (n, dim) to (n,) float64."""
    left, right = (np.asarray(value, dtype=np.float64) for value in (a, b))
    norms = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    return np.asarray((left * right).sum(axis=-1) / np.maximum(norms, 1e-30), dtype=np.float64)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, np.float32(1e-12)), dtype=np.float32)
