"""Batches as sentence-transformers makes them, for engines that leave this to their user."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

#: sentence-transformers' default.
BATCH = 32


EncodeBatch = Callable[[list[str]], NDArray[np.float32]]


def in_batches(
    texts: Sequence[str],
    encode_batch: EncodeBatch,
    run: Callable[[EncodeBatch, Iterable[list[str]]], Iterable[NDArray[np.float32]]] = map,
) -> NDArray[np.float32]:
    """Vectors of `texts`, the longest first in batches of BATCH, given back in order.

    encode_batch: takes 1 to BATCH texts of like length, returns (texts, dim) float32.
    run: applies it to all batches; an executor's `map` does so on several threads.
    Returns (texts, dim) float32.
    """
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
    batches = [
        [texts[i] for i in order[start : start + BATCH]] for start in range(0, len(order), BATCH)
    ]
    longest_first = np.concatenate(list(run(encode_batch, batches)))
    vectors = np.empty_like(longest_first)
    vectors[order] = longest_first
    return vectors


def mean_pooled(states: NDArray[np.float32], lengths: NDArray[np.integer]) -> NDArray[np.float32]:
    """Means over the tokens of each text, L2 norm 1.

    states: (texts, tokens, dim) float32, padded on the right. lengths: (texts,), tokens of each,
    at least 1. Returns (texts, dim) float32.
    """
    mask = np.arange(states.shape[1]) < lengths[:, None]  # (texts, tokens)
    sums = np.einsum("ntd,nt->nd", states, mask.astype(np.float32))  # (texts, dim)
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), dtype=np.float32)
