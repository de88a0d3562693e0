"""Haystack's own pipelines, saved and loaded."""

import asyncio

import pytest

pytest.importorskip("haystack", reason="needs haystack-ai, which the extra dev brings")

from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore

from ondol import BundleNotFoundError, InputError
from ondol.integrations.haystack import OndolDocumentEmbedder, OndolRanker, OndolTextEmbedder
from ondol.integrations.opening import TextRanker
from ondol.testing import FakeEmbedder


def test_texts_get_the_prompt_of_their_role(fake: FakeEmbedder) -> None:
    found = OndolTextEmbedder(embedder=fake).run("섬")
    assert found == {"embedding": fake.encode("query: 섬").tolist()}
    documents = [Document(content="섬", meta={"page": 1}), Document(content=None)]
    embedded = OndolDocumentEmbedder(embedder=fake).run(documents)["documents"]
    expected = fake.encode(["passage: 섬", "passage: "]).tolist()
    assert [document.embedding for document in embedded] == expected
    assert [document.id for document in embedded] == [document.id for document in documents]
    assert [document.meta for document in embedded] == [{"page": 1}, {}]
    assert documents[0].embedding is None, "what came in is as it was"


def test_the_asynchronous_methods_give_the_same(fake: FakeEmbedder) -> None:
    text, documents = OndolTextEmbedder(embedder=fake), OndolDocumentEmbedder(embedder=fake)
    assert asyncio.run(text.run_async("섬")) == text.run("섬")
    page = [Document(content="섬")]
    assert asyncio.run(documents.run_async(page)) == documents.run(page)


def test_saved_and_loaded_pipelines_find_the_answer(
    texts: list[str], question: tuple[str, str]
) -> None:
    query, answer = question
    store = InMemoryDocumentStore(embedding_similarity_function="cosine", index="saved")
    indexing = Pipeline()
    indexing.add_component("embedder", OndolDocumentEmbedder(variant="onnx-int8", threads=1))
    indexing.add_component("writer", DocumentWriter(store))
    indexing.connect("embedder.documents", "writer.documents")
    searching = Pipeline()
    searching.add_component("embedder", OndolTextEmbedder(variant="onnx-int8", threads=1))
    searching.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=1))
    searching.connect("embedder.embedding", "retriever.query_embedding")

    saved = [pipeline.dumps() for pipeline in (indexing, searching)]
    allowed = ["ondol.integrations.*"]
    indexing, searching = (Pipeline.loads(text, allowed_modules=allowed) for text in saved)
    assert [pipeline.dumps() for pipeline in (indexing, searching)] == saved

    indexing.run({"embedder": {"documents": [Document(content=text) for text in texts]}})
    found = searching.run({"embedder": {"text": query}})["retriever"]["documents"]
    assert [document.content for document in found] == [answer]


def test_warm_up_opens_the_bundle_and_not_before(tmp_path: object) -> None:
    embedder = OndolTextEmbedder(bundle=f"{tmp_path}/nothing")
    assert embedder.to_dict()["init_parameters"]["bundle"] == f"{tmp_path}/nothing"
    with pytest.raises(BundleNotFoundError):
        embedder.warm_up()


def test_a_ready_fake_cannot_be_stored(fake: FakeEmbedder) -> None:
    with pytest.raises(InputError, match="cannot be stored"):
        OndolTextEmbedder(embedder=fake).to_dict()


def test_a_ranker_orders_scores_and_cuts(ranker: TextRanker) -> None:
    documents = [Document(content=text, score=0.9) for text in ("포도", "사과 배", "배")]
    component = OndolRanker(reranker=ranker, top_k=2)
    component.warm_up()
    found = component.run("사과 배", documents)["documents"]
    assert [(one.content, one.score) for one in found] == [("사과 배", 1.0), ("배", 0.5)]
    assert len(component.run("사과 배", documents, top_k=1)["documents"]) == 1
    assert documents[0].score == 0.9, "what came in is as it was"


def test_a_ranker_stored_and_read_again() -> None:
    stored = OndolRanker("/somewhere/reranker", threads=2, top_k=3).to_dict()
    assert stored["init_parameters"] == {
        "bundle": "/somewhere/reranker", "variant": None, "threads": 2, "top_k": 3,
    }  # fmt: skip
    assert OndolRanker.from_dict(stored).to_dict() == stored
