"""LlamaIndex's own index, ingestion pipeline and postprocessor interface."""

import asyncio
import pickle

import pytest

pytest.importorskip("llama_index.core", reason="needs llama-index-core, in the extra dev")

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import Document, NodeWithScore, TextNode

from ondol.integrations.llama_index import OndolEmbedding, OndolRerank
from ondol.integrations.opening import TextRanker
from ondol.testing import FakeEmbedder


def test_texts_get_the_prompt_of_their_role(fake: FakeEmbedder) -> None:
    embedding = OndolEmbedding(embedder=fake, embed_batch_size=2)
    assert isinstance(embedding, BaseEmbedding)
    assert embedding.get_query_embedding("섬") == fake.encode("query: 섬").tolist()
    assert embedding.get_text_embedding("섬") == fake.encode("passage: 섬").tolist()
    texts = ["하나", "둘", "셋"]  # two batches
    expected = fake.encode([f"passage: {text}" for text in texts]).tolist()
    assert embedding.get_text_embedding_batch(texts) == expected


def test_the_asynchronous_methods_give_the_same(fake: FakeEmbedder) -> None:
    embedding = OndolEmbedding(embedder=fake)
    assert asyncio.run(embedding.aget_query_embedding("섬")) == embedding.get_query_embedding("섬")
    assert asyncio.run(embedding.aget_text_embedding("섬")) == embedding.get_text_embedding("섬")
    texts = ["하나", "둘"]
    found = asyncio.run(embedding.aget_text_embedding_batch(texts))
    assert found == embedding.get_text_embedding_batch(texts)


def test_an_index_finds_the_answer(texts: list[str], question: tuple[str, str]) -> None:
    query, answer = question
    index = VectorStoreIndex.from_documents(
        [Document(text=text) for text in texts], embed_model=OndolEmbedding(variant="onnx-int8")
    )
    (found,) = index.as_retriever(similarity_top_k=1).retrieve(query)
    assert found.text == answer


def test_stored_and_read_again() -> None:
    embedding = OndolEmbedding(variant="onnx-int8", threads=1, embed_batch_size=7)
    stored = embedding.to_dict()
    assert stored["class_name"] == "OndolEmbedding"
    assert (stored["bundle"], stored["variant"], stored["threads"]) == (None, "onnx-int8", 1)
    again = OndolEmbedding.from_json(embedding.to_json())
    assert again.to_dict() == stored
    assert again.get_query_embedding("섬") == embedding.get_query_embedding("섬")


def test_an_ingestion_pipeline_caches_by_what_is_stored() -> None:
    pipeline = IngestionPipeline(transformations=[OndolEmbedding(variant="onnx-int8")])
    first, again = (pipeline.run(nodes=[TextNode(text="섬", id_="섬")]) for _ in range(2))
    assert len(pipeline.cache.cache.get_all(collection="llama_cache")) == 1
    assert first[0].embedding == again[0].embedding
    assert len(first[0].embedding) == 384


def test_a_ready_embedder_is_pickled_but_not_stored(fake: FakeEmbedder) -> None:
    embedding = OndolEmbedding(embedder=fake, embed_batch_size=3)
    again = pickle.loads(pickle.dumps(embedding))
    assert again.get_query_embedding("섬") == embedding.get_query_embedding("섬")
    assert again.embed_batch_size == 3
    with pytest.raises(ValueError, match="InputError: a FakeEmbedder cannot be stored"):
        embedding.to_dict()


def test_a_postprocessor_orders_scores_and_cuts(ranker: TextRanker) -> None:
    nodes = [
        NodeWithScore(node=TextNode(text=text, id_=text), score=0.9)
        for text in ("포도", "사과 배", "배")
    ]
    rerank = OndolRerank(reranker=ranker, top_n=2)
    assert isinstance(rerank, BaseNodePostprocessor)
    expected = [("사과 배", 1.0), ("배", 0.5)]
    found = rerank.postprocess_nodes(nodes, query_str="사과 배")
    assert [(node.text, node.score) for node in found] == expected
    found = asyncio.run(rerank.apostprocess_nodes(nodes, query_str="사과 배"))
    assert [(node.text, node.score) for node in found] == expected
    assert [node.score for node in nodes] == [0.9] * 3, "what came in is as it was"
    with pytest.raises(ValueError, match="needs a query"):
        rerank.postprocess_nodes(nodes)


def test_a_query_engine_takes_both(texts: list[str], ranker: TextRanker) -> None:
    index = VectorStoreIndex.from_documents(
        [Document(text=text) for text in texts], embed_model=OndolEmbedding(variant="onnx-int8")
    )
    engine = index.as_query_engine(
        llm=MockLLM(), node_postprocessors=[OndolRerank(reranker=ranker, top_n=1)]
    )
    (source,) = engine.query("The stock market").source_nodes
    assert source.text == texts[1]
