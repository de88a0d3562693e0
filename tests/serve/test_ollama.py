"""/api/embed, /api/embeddings, /api/tags and /api/version."""

import numpy as np
import pytest
from starlette.testclient import TestClient

import ondol
from ondol.testing import FakeEmbedder


@pytest.mark.parametrize("given", ["a", ["a", "b"], []])
def test_embed(client: TestClient, fake: FakeEmbedder, given: str | list[str]) -> None:
    body = {"model": "fake:query", "input": given, "options": {"num_ctx": 1}, "keep_alive": "5m"}
    answer = client.post("/api/embed", json=body).json()
    texts = [given] if isinstance(given, str) else given
    expected = fake.encode(texts, prompt="query: ")
    assert np.array(answer["embeddings"], dtype=np.float32).tobytes() == expected.tobytes()
    assert answer["model"] == "fake:query"
    assert answer["prompt_eval_count"] == 4 * len(texts)
    assert answer["total_duration"] > 0


def test_dimensions(client: TestClient, fake: FakeEmbedder) -> None:
    answer = client.post("/api/embed", json={"input": "a", "dimensions": 3}).json()
    expected = fake.encode(["a"], truncate_dim=3)
    assert np.array(answer["embeddings"], dtype=np.float32).tobytes() == expected.tobytes()
    answer = client.post("/api/embed", json={"input": "a", "dimensions": 0}).json()
    assert len(answer["embeddings"][0]) == 8


def test_the_older_path_has_one_text(client: TestClient, fake: FakeEmbedder) -> None:
    answer = client.post("/api/embeddings", json={"model": "fake", "prompt": "a"}).json()
    assert list(answer) == ["embedding"]
    assert np.array(answer["embedding"], dtype=np.float32).tobytes() == fake.encode("a").tobytes()


def test_long_texts_are_cut_unless_forbidden(client: TestClient) -> None:
    long = "a b c d e f g h i j"
    assert client.post("/api/embed", json={"input": long}).status_code == 200
    refused = client.post("/api/embed", json={"input": ["a", long], "truncate": False})
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("1 of 2 texts are longer than 8 tokens")


def test_errors_have_ollamas_form(client: TestClient) -> None:
    response = client.post("/api/embed", json={"model": "fake:other", "input": "a"})
    assert response.status_code == 404
    assert list(response.json()) == ["error"]
    assert "after the colon" in response.json()["error"]


def test_tags_and_version(client: TestClient) -> None:
    models = client.get("/api/tags").json()["models"]
    names = ["fake:latest", "fake:query", "fake:passage", "fake:none"]
    assert [one["name"] for one in models] == names
    assert models[0]["size"] == 1234
    assert models[0]["details"]["quantization_level"] == "int8"
    assert client.get("/api/version").json() == {"version": ondol.__version__}
