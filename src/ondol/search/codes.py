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


def unpacked(vectors: list[bytes], dimension: int) -> NDArray[np.float32]:
    """(n, dimension) float32 of n stored vectors.

    Raises TypeError or ValueError if one is none of `packed`, or not finite.
    """
    if any(len(vector) != 2 * dimension for vector in vectors):
        raise ValueError(f"a vector does not have {dimension:,} elements")
    rows = np.frombuffer(b"".join(vectors), dtype="<f2").astype(np.float32)
    if not np.isfinite(rows).all():
        raise ValueError("a vector holds NaN or infinity")
    return rows.reshape(len(vectors), dimension)
