"""Vectors as they are stored: signs for a fast first look, float16 for the exact order.

A scan over float32 vectors takes sqlite-vec three times as long as one over a bit per element, with
the nearest of those compared again by float16, and they take twice the room. Signs alone say little
where all vectors point the same way, as those of E5 do, so they are taken from a centre.
benchmarks/search_scale.py measures time and recall of each.
"""

import numpy as np
from numpy.typing import NDArray


def signs(vectors: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(n, dim) float32 to (n, dim / 8, rounded up) uint8: a bit per element above the centre's."""
    return np.packbits(vectors > centre, axis=1)


def packed(vector: NDArray[np.float32]) -> bytes:
    """(dim,) float32 of norm 1 as little-endian float16: three digits of each element."""
    return vector.astype("<f2").tobytes()


def unpacked(vectors: list[bytes]) -> NDArray[np.float32]:
    """(n, dim) float32 of n stored vectors, n at least 1."""
    rows = np.frombuffer(b"".join(vectors), dtype="<f2")
    return rows.reshape(len(vectors), -1).astype(np.float32)
