"""Pairs and ranked results, as sentence-transformers' CrossEncoder takes and returns them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ondol.errors import InputError

#: A query and a document.
Pair = Sequence[str]


def is_one_pair(pairs: Pair | Sequence[Pair]) -> bool:
    """Whether this is a pair itself, and not a sequence of pairs."""
    return len(pairs) == 2 and all(isinstance(text, str) for text in pairs)


def checked_pair(pair: object, number: int) -> tuple[str, str]:
    """The pair. Raises InputError, with its number, unless it is two strings."""
    if isinstance(pair, (str, bytes)) or not isinstance(pair, Sequence | np.ndarray):
        raise InputError(_not_a_pair(pair, number))
    if len(pair) != 2:
        raise InputError(_not_a_pair(pair, number))
    for what, text in zip(("query", "document"), pair, strict=True):
        if not isinstance(text, str):
            raise InputError(f"{what} {number} is of type {type(text).__name__}; expected str")
    return pair[0], pair[1]


def _not_a_pair(found: object, number: int) -> str:
    return f"pair {number} is {found!r:.60}; expected a query and a document, two strings"


def check_ranking(documents: object, top_k: object) -> None:
    """Raises InputError for arguments of `rank` that cannot be used."""
    if isinstance(documents, (str, bytes)) or not isinstance(documents, Sequence | np.ndarray):
        raise InputError(f"documents is a {type(documents).__name__}; expected a sequence of str")
    if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
        raise InputError(f"top_k is {top_k!r}; expected a whole number from 1, or None")


def ranked(
    scores: NDArray[np.float32],
    documents: Sequence[str],
    top_k: int | None,
    *,
    return_documents: bool,
) -> list[dict[str, Any]]:
    """A dict for each document, best first and those with equal scores in their order.

    scores: (documents,) float32.
    """
    order = np.argsort(-scores, kind="stable")[:top_k].tolist()
    results: list[dict[str, Any]] = [
        {"corpus_id": index, "score": float(scores[index])} for index in order
    ]
    if return_documents:
        for result in results:
            result["text"] = documents[result["corpus_id"]]
    return results
