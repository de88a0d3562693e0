"""Chroma's own persistent client."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

chromadb = pytest.importorskip("chromadb", reason="needs chromadb, which the extra dev brings")

from chromadb.api.client import SharedSystemClient
from chromadb.config import Settings
from chromadb.utils.embedding_functions import known_embedding_functions

from ondol import BundleNotFoundError, InputError
from ondol.integrations.chroma import OndolEmbeddingFunction
from ondol.testing import FakeEmbedder

QUIET = Settings(anonymized_telemetry=False)


@pytest.fixture(autouse=True)
def _forget_clients() -> Iterator[None]:
    """Chroma keeps every database of a process open."""
    yield
    SharedSystemClient.clear_system_cache()


def test_texts_get_the_prompt_of_their_role(fake: FakeEmbedder) -> None:
    function = OndolEmbeddingFunction(embedder=fake)
    assert np.array_equal(function(["섬", "감기"]), fake.encode(["passage: 섬", "passage: 감기"]))
    assert np.array_equal(function.embed_query(["섬"]), fake.encode(["query: 섬"]))


def test_a_collection_finds_the_answer_and_remembers_the_function(
    tmp_path: Path, texts: list[str], question: tuple[str, str]
) -> None:
    query, answer = question
    client = chromadb.PersistentClient(str(tmp_path), settings=QUIET)
    function = OndolEmbeddingFunction(variant="onnx-int8", threads=1)
    made = client.create_collection("notes", embedding_function=function)
    made.add(ids=["a", "b", "c"], documents=texts)
    expected = made.query(query_texts=[query], n_results=1)
    assert expected["documents"] == [[answer]]

    SharedSystemClient.clear_system_cache()
    found = chromadb.PersistentClient(str(tmp_path), settings=QUIET).get_collection("notes")
    assert found.query(query_texts=[query], n_results=1) == expected
    stored = found.configuration["embedding_function"]
    assert stored.get_config() == {"bundle": None, "variant": "onnx-int8", "threads": 1}
    assert found.configuration["hnsw"]["space"] == "cosine"


def test_another_process_finds_the_collection(tmp_path: Path, question: tuple[str, str]) -> None:
    """It imports the adapter, and names neither bundle nor variant."""
    query, answer = question
    client = chromadb.PersistentClient(str(tmp_path), settings=QUIET)
    client.create_collection("notes", embedding_function=OndolEmbeddingFunction()).add(
        ids=["a", "b"], documents=[answer, "감기"]
    )
    code = f"""
import chromadb, ondol.integrations.chroma
client = chromadb.PersistentClient({str(tmp_path)!r})
print(client.get_collection("notes").query(query_texts=[{query!r}], n_results=1)["ids"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == "[['a']]\n"


def test_it_is_registered_and_built_from_its_configuration(tmp_path: Path) -> None:
    assert known_embedding_functions["ondol"] is OndolEmbeddingFunction
    function = OndolEmbeddingFunction(tmp_path / "nothing", threads=2)
    config = function.get_config()
    assert config == {"bundle": str(tmp_path / "nothing"), "variant": None, "threads": 2}
    again = OndolEmbeddingFunction.build_from_config(config)
    assert again.get_config() == config
    with pytest.raises(BundleNotFoundError):
        again(["섬"])
    with pytest.raises(InputError, match="unknown settings"):
        OndolEmbeddingFunction.validate_config({"model_name": "x"})


def test_a_collection_keeps_its_bundle() -> None:
    function = OndolEmbeddingFunction()
    function.validate_config_update({"bundle": "a", "threads": 1}, {"bundle": "a", "threads": 2})
    with pytest.raises(InputError, match="was made with the bundle a, and b has other vectors"):
        function.validate_config_update({"bundle": "a"}, {"bundle": "b"})


def test_a_ready_fake_cannot_be_stored(fake: FakeEmbedder) -> None:
    with pytest.raises(InputError, match="cannot be stored"):
        OndolEmbeddingFunction(embedder=fake).get_config()
