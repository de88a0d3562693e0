"""LlamaIndex: `BaseEmbedding`, and a node postprocessor that reranks.

from ondol.integrations.llama_index import OndolEmbedding

index = VectorStoreIndex.from_documents(documents, embed_model=OndolEmbedding())
"""

import asyncio
import os
from typing import Any

from ondol.integrations.extras import library
from ondol.integrations.opening import (
    LazyModel,
    TextEmbedder,
    TextRanker,
    open_embedder,
    open_reranker,
)

with library("LlamaIndex", package="llama-index-core", extra="llama-index"):
    from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
    from pydantic import (
        BaseModel,
        PrivateAttr,
        SerializationInfo,
        SerializerFunctionWrapHandler,
        model_serializer,
    )


class OndolEmbedding(BaseEmbedding):
    """Queries with the bundle's query prompt, texts with its document prompt.

    `to_dict` and `from_dict` work, so ingestion pipelines can cache what it embeds.

    Args:
        bundle, variant, threads: as for `ondol.Embedder`.
        embedder: a ready one, instead of these. Whoever made it closes it.
        base: the base class's own fields, `embed_batch_size` and `callback_manager` among them.

    Raises what `ondol.Embedder` raises.
    """

    _model: LazyModel[TextEmbedder] = PrivateAttr()

    def __init__(
        self,
        bundle: str | os.PathLike[str] | None = None,
        *,
        variant: str | None = None,
        threads: int | None = None,
        embedder: TextEmbedder | None = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self._model = LazyModel(open_embedder, bundle, variant, threads, embedder)
        self._model()  # what is wrong with the bundle is said here, not at the first search

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex stores it."""
        return "OndolEmbedding"

    @model_serializer(mode="wrap")
    def custom_model_dump(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """The base class's fields, and the constructor's arguments.

        Raises InputError, which pydantic wraps in a ValueError of its own, for a ready embedder
        that those do not describe.
        """
        return {**handler(self), **self._model.source.to_dict(), "class_name": self.class_name()}

    # The base class's version calls the constructor with the fields, where a ready embedder is not.
    __setstate__ = BaseModel.__setstate__

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._model().encode_query(query).tolist()

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._model().encode_document(text).tolist()

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return await asyncio.to_thread(self._get_text_embedding, text)

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors: list[Embedding] = self._model().encode_document(texts).tolist()
        return vectors

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


class OndolRerank(BaseNodePostprocessor):
    """Puts retrieved nodes in the order of their relevance to the query, with it as their score.

    Args:
        bundle, variant, threads: as for `ondol.Reranker`.
        top_n: nodes to keep, the best; None keeps all.
        reranker: a ready one, instead of bundle, variant and threads.
        base: the base class's own fields.

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
        **base: Any,
    ) -> None:
        super().__init__(top_n=top_n, **base)
        self._model = LazyModel(open_reranker, bundle, variant, threads, reranker)
        self._model()

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex stores it."""
        return "OndolRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ValueError("reranking needs a query; give query_str or query_bundle")
        texts = [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
        found = self._model().rank(query_bundle.query_str, texts, top_k=self.top_n)
        return [
            NodeWithScore(node=nodes[one["corpus_id"]].node, score=one["score"]) for one in found
        ]
