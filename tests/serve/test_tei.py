"""/embed, /rerank and /info of Text Embeddings Inference, and /v1/rerank of Cohere and Jina."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from ondol.testing import FakeEmbedder

TEXTS = ["the sea", "a warm floor", "warm"]


@pytest.mark.parametrize("path", ["/", "/embed"])
@pytest.mark.parametrize("given", ["a", ["a", "b"]])
def test_embed(client: TestClient, fake: FakeEmbedder, path: str, given: Any) -> None:
    answer = client.post(path, json={"inputs": given, "prompt_name": "passage"}).json()
    expected = fake.encode([given] if isinstance(given, str) else given, prompt="passage: ")
    assert np.array(answer, dtype=np.float32).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"inputs": []}, "inputs is an empty list"),
        ({"inputs": "a", "normalize": False}, "always have norm 1"),
        ({"inputs": "a", "truncation_direction": "Left"}, "texts are cut at their end alone"),
        ({"inputs": "a b c d e f g h i", "truncate": False}, "longer than 8 tokens"),
        ({"inputs": "a", "prompt_name": "other"}, "no prompt named 'other'"),
    ],
)
def test_what_cannot_be_done_is_said(
    client: TestClient, body: dict[str, Any], message: str
) -> None:
    response = client.post("/embed", json=body)
    assert response.status_code == 400
    assert response.json()["error_type"] == "Validation"
    assert message in response.json()["error"]


def test_info(client: TestClient) -> None:
    info = client.get("/info").json()
    assert info["model_id"] == "fake"
    assert info["model_dtype"] == "int8"
    assert info["model_type"] == {"embedding": {"pooling": "mean"}}
    assert info["max_input_length"] == 8
    assert info["max_client_batch_size"] == 2048


def test_rerank_orders_texts_best_first(client: TestClient) -> None:
    body = {"query": "warm floor", "texts": TEXTS}
    assert client.post("/rerank", json=body).json() == [
        {"index": 1, "score": 1.0},
        {"index": 2, "score": 0.5},
        {"index": 0, "score": 0.0},
    ]
    answer = client.post("/rerank", json=body | {"return_text": True}).json()
    assert answer[0] == {"index": 1, "score": 1.0, "text": "a warm floor"}
    assert client.post("/rerank", json=body | {"texts": []}).json() == []
    for refused in (True, 0):
        assert client.post("/rerank", json=body | {"raw_scores": refused}).status_code == 400


def test_the_form_of_cohere_and_jina(client: TestClient) -> None:
    body = {"model": "m", "query": "warm floor", "documents": [TEXTS[0], {"text": TEXTS[1]}]}
    assert client.post("/v1/rerank", json=body | {"top_n": 1}).json() == {
        "model": "m",
        "results": [{"index": 1, "relevance_score": 1.0}],
    }
    answer = client.post("/v1/rerank", json=body | {"return_documents": True}).json()
    assert [one["document"]["text"] for one in answer["results"]] == [TEXTS[1], TEXTS[0]]
    assert client.post("/v1/rerank", json=body | {"top_n": 0}).status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/rerank", {"query": "a", "texts": ["b"]}),
        ("/v1/rerank", {"query": "a", "documents": ["b"]}),
    ],
)
def test_without_a_reranker_the_error_says_how_to_get_one(
    make_client: Callable[..., TestClient], path: str, body: dict[str, Any]
) -> None:
    response = make_client().post(path, json=body)
    assert response.status_code == 404
    assert "ondol serve --reranker BUNDLE" in response.text
