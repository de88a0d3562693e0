"""Haystack: a text embedder, a document embedder and a ranker.

from ondol.integrations.haystack import OndolDocumentEmbedder, OndolTextEmbedder

A pipeline that was saved with them is loaded with
`Pipeline.loads(text, allowed_modules=["ondol.integrations.*"])`.
"""

import asyncio
import os
from dataclasses import replace
from typing import Any, Self

from ondol.integrations.extras import library
from ondol.integrations.opening import (
    LazyModel,
    TextEmbedder,
    TextRanker,
    open_embedder,
    open_reranker,
)

with library("Haystack", package="haystack-ai", extra="haystack"):
    from haystack import Document, component, default_from_dict, default_to_dict


class _Component:
    """What the three have in common."""

    _model: LazyModel[Any]

    def warm_up(self) -> None:
        """Open the bundle. Raises what `ondol.Embedder` and `ondol.Reranker` raise."""
        self._model()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """What `to_dict` gave."""
        made: Self = default_from_dict(cls, data)
        return made


class _Embedder(_Component):
    """What the two embedders have in common."""

    def __init__(
        self,
        bundle: str | os.PathLike[str] | None = None,
        *,
        variant: str | None = None,
        threads: int | None = None,
        embedder: TextEmbedder | None = None,
    ) -> None:
        self._model = LazyModel(open_embedder, bundle, variant, threads, embedder)

    def to_dict(self) -> dict[str, Any]:
        """The constructor's arguments, for YAML. Raises InputError for a ready embedder that they
        do not describe.
        """
        stored: dict[str, Any] = default_to_dict(self, **self._model.source.to_dict())
        return stored


@component
class OndolTextEmbedder(_Embedder):
    """Embeds a query, with the bundle's query prompt.

    Args:
        bundle, variant, threads: as for `ondol.Embedder`; it is opened by `warm_up` or the first
            run, and shared with the other components that name the same.
        embedder: a ready one, instead of these. Whoever made it closes it.
    """

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        """{"embedding": a vector of L2 norm 1}. Raises as `Embedder.encode`."""
        return {"embedding": self._model().encode_query(text).tolist()}

    @component.output_types(embedding=list[float])
    async def run_async(self, text: str) -> dict[str, Any]:
        """`run`, in a thread."""
        return await asyncio.to_thread(self.run, text)


@component
class OndolDocumentEmbedder(_Embedder):
    """Embeds the content of documents, with the bundle's document prompt.

    Args:
        bundle, variant, threads: as for `ondol.Embedder`; it is opened by `warm_up` or the first
            run, and shared with the other components that name the same.
        embedder: a ready one, instead of these. Whoever made it closes it.
    """

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """{"documents": copies that have an embedding, a vector of L2 norm 1}. A document without
        content counts as an empty text. Raises as `Embedder.encode`.
        """
        vectors = self._model().encode_document([_text(document) for document in documents])
        return {
            "documents": [
                replace(document, embedding=vector.tolist())
                for document, vector in zip(documents, vectors, strict=True)
            ]
        }

    @component.output_types(documents=list[Document])
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """`run`, in a thread."""
        return await asyncio.to_thread(self.run, documents)


@component
class OndolRanker(_Component):
    """Puts documents in the order of their relevance to the query, with it, 0 to 1, as the score.

    Args:
        bundle, variant, threads: as for `ondol.Reranker`; it is opened by `warm_up` or the first
            run.
        top_k: documents to keep, the best; None keeps all.
        reranker: a ready one, instead of bundle, variant and threads.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str] | None = None,
        *,
        variant: str | None = None,
        threads: int | None = None,
        top_k: int | None = None,
        reranker: TextRanker | None = None,
    ) -> None:
        self.top_k = top_k
        self._model = LazyModel(open_reranker, bundle, variant, threads, reranker)

    def to_dict(self) -> dict[str, Any]:
        """The constructor's arguments, for YAML. Raises InputError for a ready reranker that they
        do not describe.
        """
        source = self._model.source
        stored: dict[str, Any] = default_to_dict(self, top_k=self.top_k, **source.to_dict())
        return stored

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, Any]:
        """{"documents": copies with their scores, best first}. top_k: for this run, instead of the
        component's.
        """
        found = self._model().rank(
            query, [_text(document) for document in documents], top_k=top_k or self.top_k
        )
        return {
            "documents": [replace(documents[one["corpus_id"]], score=one["score"]) for one in found]
        }


def _text(document: Document) -> str:
    content: str = document.content or ""
    return content
