"""LangChain: `Embeddings`, and a document compressor that reranks.

from ondol.integrations.langchain import OndolEmbeddings

store = InMemoryVectorStore(OndolEmbeddings())
"""

import os
from collections.abc import Sequence
from typing import Any

from ondol.integrations.extras import library
from ondol.integrations.opening import (
    LazyModel,
    TextEmbedder,
    TextRanker,
    open_embedder,
    open_reranker,
)

with library("LangChain", package="langchain-core", extra="langchain"):
    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.embeddings import Embeddings
    from pydantic import PrivateAttr


class OndolEmbeddings(Embeddings):
    """Queries with the bundle's query prompt, documents with its document prompt.

    The asynchronous methods run in a thread, as the base class has it. Can be pickled.

    Args:
        bundle, variant, threads: as for `ondol.Embedder`.
        embedder: a ready one, instead of these. Whoever made it closes it.

    Raises what `ondol.Embedder` raises.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str] | None = None,
        *,
        variant: str | None = None,
        threads: int | None = None,
        embedder: TextEmbedder | None = None,
    ) -> None:
        self._model = LazyModel(open_embedder, bundle, variant, threads, embedder)
        self._model()  # what is wrong with the bundle is said here, not at the first search

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector of L2 norm 1 for each text. Raises as `Embedder.encode`."""
        vectors: list[list[float]] = self._model().encode_document(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """A vector of L2 norm 1. Raises as `Embedder.encode`."""
        vector: list[float] = self._model().encode_query(text).tolist()
        return vector


class OndolReranker(BaseDocumentCompressor):
    """Puts retrieved documents in the order of their relevance to the query.

    Each document gets its score, 0 to 1, as the metadata "relevance_score"; the documents that
    came in stay as they were.

    Args:
        bundle, variant, threads: as for `ondol.Reranker`.
        top_n: documents to keep, the best; None keeps all.
        reranker: a ready one, instead of bundle, variant and threads.

    Raises what `ondol.Reranker` raises.
    """

    top_n: int | None = None
    _model: LazyModel[TextRanker] = PrivateAttr()

    def __init__(
        self,
        bundle: str | os.PathLike[str] | None = None,
        *,
        variant: str | None = None,
        threads: int | None = None,
        top_n: int | None = None,
        reranker: TextRanker | None = None,
    ) -> None:
        super().__init__(top_n=top_n)
        self._model = LazyModel(open_reranker, bundle, variant, threads, reranker)
        self._model()

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Copies of the best `top_n` documents, best first."""
        texts = [document.page_content for document in documents]
        return [
            _scored(documents[found["corpus_id"]], found)
            for found in self._model().rank(query, texts, top_k=self.top_n)
        ]


def _scored(document: Document, found: dict[str, Any]) -> Document:
    return document.model_copy(
        update={"metadata": {**document.metadata, "relevance_score": found["score"]}}
    )
