"""Retrieval sets as a reranker sees them: queries, their first candidates, and what is held out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from quality.cache import vectors_of
from quality.models import NamedModel
from quality.sets import PROMPTS, RetrievalSet, Vectors, distinct_texts, read_retrieval

from ondol.runtime.similarity import cosine_similarity

#: Documents of the first stage that are put in order, as rerankers' model cards show it.
CANDIDATES = 20

#: Of KorQuAD's paragraphs and of Cranfield's queries; the rest is for measuring.
TRAINED_SHARE = 0.6


@dataclass(frozen=True)
class RerankSet:
    """Queries with what the first stage found for them. No text has a prompt.

    Attributes:
        grades: for each query the grade of its judged documents, by index into `documents`.
        candidates: (queries, CANDIDATES) indices into `documents`, best first.
        held_out: (queries,) True for those that no reranker was trained on.
    """

    name: str
    queries: tuple[str, ...]
    documents: tuple[str, ...]
    grades: tuple[Mapping[int, int], ...]
    candidates: NDArray[np.intp]
    held_out: NDArray[np.bool_]


def read_rerank_sets(folder: Path, first: NamedModel, cache: Path) -> tuple[RerankSet, RerankSet]:
    """KorQuAD, split by paragraph, and Cranfield, split by query, with the candidates of `first`.

    KorQuAD's paragraphs come article by article, so at most one article has some on both sides.

    Args:
        folder: of the sets.
        cache: folder for the first stage's vectors, as that of benchmarks/quality.

    Raises InputError if a file is missing, OndolError if the first stage cannot run.
    """
    korquad = read_retrieval("korquad", folder / "korquad")
    cranfield = read_retrieval("cranfield", folder / "cranfield")
    vectors = vectors_of(first, distinct_texts([korquad, cranfield]), cache)
    return (
        _with_candidates(korquad, vectors, held_out_by_document(korquad)),
        _with_candidates(cranfield, vectors, held_out_by_query(cranfield)),
    )


def held_out_by_document(one: RetrievalSet) -> NDArray[np.bool_]:
    """(queries,): whether every relevant document is among the last of the corpus."""
    start = TRAINED_SHARE * len(one.documents.rows)
    return np.array([min(_relevant(grades)) >= start for grades in one.grades])


def held_out_by_query(one: RetrievalSet) -> NDArray[np.bool_]:
    """(queries,): whether the query is among the last ones."""
    return np.arange(len(one.grades)) >= TRAINED_SHARE * len(one.grades)


def _relevant(grades: Mapping[int, int]) -> list[int]:
    return [document for document, grade in grades.items() if grade > 0]


def _with_candidates(one: RetrievalSet, vectors: Vectors, held_out: NDArray[np.bool_]) -> RerankSet:
    cosines = cosine_similarity(one.queries.of(vectors), one.documents.of(vectors))
    return RerankSet(
        one.name,
        _without_prompt(one.queries.texts.texts, one.queries.rows, "query"),
        _without_prompt(one.documents.texts.texts, one.documents.rows, "passage"),
        one.grades,
        np.argsort(-cosines, axis=1, kind="stable")[:, :CANDIDATES],
        held_out,
    )


def _without_prompt(texts: tuple[str, ...], rows: NDArray[np.intp], role: str) -> tuple[str, ...]:
    return tuple(texts[row].removeprefix(PROMPTS[role]) for row in rows)
