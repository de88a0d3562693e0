"""LangChain's own vector store and compressor interface."""

import asyncio
import pickle
from pathlib import Path

import pytest

pytest.importorskip("langchain_core", reason="needs langchain-core, which the extra dev brings")

from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from ondol import BundleNotFoundError
from ondol.integrations.langchain import OndolEmbeddings, OndolReranker
from ondol.integrations.opening import TextRanker
from ondol.testing import FakeEmbedder


def test_texts_get_the_prompt_of_their_role(fake: FakeEmbedder) -> None:
    embeddings = OndolEmbeddings(embedder=fake)
    assert isinstance(embeddings, Embeddings)
    assert embeddings.embed_query("섬") == fake.encode("query: 섬").tolist()
    expected = fake.encode(["passage: 섬", "passage: 감기"]).tolist()
    assert embeddings.embed_documents(["섬", "감기"]) == expected
    assert embeddings.embed_documents([]) == []


def test_the_asynchronous_methods_give_the_same(fake: FakeEmbedder) -> None:
    embeddings = OndolEmbeddings(embedder=fake)

    async def both() -> tuple[list[float], list[list[float]]]:
        query, documents = await asyncio.gather(
            embeddings.aembed_query("섬"), embeddings.aembed_documents(["섬", "감기"])
        )
        return query, documents

    query, documents = asyncio.run(both())
    assert query == embeddings.embed_query("섬")
    assert documents == embeddings.embed_documents(["섬", "감기"])


def test_a_vector_store_finds_the_answer(texts: list[str], question: tuple[str, str]) -> None:
    query, answer = question
    store = InMemoryVectorStore(OndolEmbeddings(variant="onnx-int8", threads=1))
    store.add_texts(texts)
    assert [found.page_content for found in store.similarity_search(query, k=1)] == [answer]
    found = asyncio.run(store.asimilarity_search(query, k=1))
    assert [document.page_content for document in found] == [answer]


def test_a_pickle_gives_the_same_vectors() -> None:
    embeddings = OndolEmbeddings(variant="onnx-int8")
    again = pickle.loads(pickle.dumps(embeddings))
    assert again.embed_query("섬") == embeddings.embed_query("섬")


def test_a_wrong_bundle_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError):
        OndolEmbeddings(tmp_path)


def test_a_compressor_orders_scores_and_cuts(ranker: TextRanker) -> None:
    documents = [
        Document("포도", metadata={"page": 1}),
        Document("사과 배"),
        Document("배", metadata={"page": 2}),
    ]
    compressor = OndolReranker(reranker=ranker, top_n=2)
    assert isinstance(compressor, BaseDocumentCompressor)
    expected = [
        Document("사과 배", metadata={"relevance_score": 1.0}),
        Document("배", metadata={"page": 2, "relevance_score": 0.5}),
    ]
    assert compressor.compress_documents(documents, "사과 배") == expected
    assert asyncio.run(compressor.acompress_documents(documents, "사과 배")) == expected
    assert documents[2].metadata == {"page": 2}, "what came in is as it was"
    assert len(OndolReranker(reranker=ranker).compress_documents(documents, "사과")) == 3
