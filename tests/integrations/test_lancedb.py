"""LanceDB's own tables and registry."""

from pathlib import Path

import numpy as np
import pytest

lancedb = pytest.importorskip("lancedb", reason="needs lancedb, which the extra dev brings")

from lancedb.embeddings import EmbeddingFunction, get_registry
from lancedb.pydantic import LanceModel, Vector

import ondol.integrations.lancedb as adapter
from ondol import BundleNotFoundError, Embedder


def test_texts_get_the_prompt_of_their_role() -> None:
    function = get_registry().get("ondol").create(variant="onnx-int8", threads=1)
    assert isinstance(function, EmbeddingFunction)
    assert function.ndims() == 384
    with Embedder(variant="onnx-int8", threads=1) as model:
        (query,) = function.compute_query_embeddings("섬")
        assert np.array_equal(query, model.encode("query: 섬"))
        sources = function.compute_source_embeddings(["섬", "감기"])
        assert np.array_equal(sources, model.encode(["passage: 섬", "passage: 감기"]))


def test_a_table_finds_the_answer_and_remembers_the_function(
    tmp_path: Path, texts: list[str], question: tuple[str, str]
) -> None:
    query, answer = question
    function = get_registry().get("ondol").create(variant="onnx-int8")

    class Note(LanceModel):
        text: str = function.SourceField()
        vector: Vector(function.ndims()) = function.VectorField()  # type: ignore[valid-type]

    table = lancedb.connect(tmp_path).create_table("notes", schema=Note)
    table.add([{"text": text} for text in texts])
    assert [row["text"] for row in table.search(query).limit(1).to_list()] == [answer]

    table = lancedb.connect(tmp_path).open_table("notes")
    table.add([{"text": "파이썬 리스트에 항목을 더하려면 append를 쓴다."}])
    (found,) = table.search("list.append").limit(1).to_list()
    assert "append" in found["text"]
    (stored,) = table.embedding_functions.values()
    assert isinstance(stored.function, adapter.OndolEmbeddings)
    assert stored.function.safe_model_dump() == {"variant": "onnx-int8"}


def test_an_error_is_not_tried_again(tmp_path: Path) -> None:
    function = get_registry().get("ondol").create(bundle=str(tmp_path / "nothing"))
    with pytest.raises(Exception, match=r"\(0\) exceeded") as caught:
        function.compute_source_embeddings_with_retry(["섬"])
    assert isinstance(caught.value.args[1], BundleNotFoundError)
