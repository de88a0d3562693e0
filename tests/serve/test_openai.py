"""/v1/embeddings and /v1/models, by the form of requests and responses."""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from ondol.testing import FakeEmbedder


def embed(client: TestClient, **body: Any) -> Any:
    response = client.post("/v1/embeddings", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def vectors(answer: Any) -> np.ndarray[Any, Any]:
    assert [one["index"] for one in answer["data"]] == list(range(len(answer["data"])))
    return np.array([one["embedding"] for one in answer["data"]], dtype=np.float32)


def test_texts_get_the_vectors_of_the_library_bit_for_bit(
    client: TestClient, fake: FakeEmbedder
) -> None:
    answer = embed(client, model="any", input=["온돌", "a b", ""])
    assert vectors(answer).tobytes() == fake.encode(["온돌", "a b", ""]).tobytes()
    assert answer["object"] == "list"
    assert answer["model"] == "fake"
    assert {one["object"] for one in answer["data"]} == {"embedding"}
    assert answer["usage"] == {"prompt_tokens": 9, "total_tokens": 9}


def test_one_text_is_a_list_of_one(client: TestClient, fake: FakeEmbedder) -> None:
    answer = embed(client, input="온돌")
    assert vectors(answer).tobytes() == fake.encode(["온돌"]).tobytes()


def test_base64_holds_the_same_bytes(client: TestClient, fake: FakeEmbedder) -> None:
    answer = embed(client, input=["a", "b"], encoding_format="base64")
    decoded = [base64.b64decode(one["embedding"]) for one in answer["data"]]
    assert b"".join(decoded) == fake.encode(["a", "b"]).tobytes()


def test_dimensions(client: TestClient, fake: FakeEmbedder) -> None:
    short = vectors(embed(client, input=["a", "b"], dimensions=3))
    assert short.tobytes() == fake.encode(["a", "b"], truncate_dim=3).tobytes()


@pytest.mark.parametrize(
    ("body", "prompt"),
    [
        ({}, ""),
        ({"model": "text-embedding-3-small"}, ""),
        ({"model": "fake:latest"}, ""),
        ({"model": "fake:none"}, ""),
        ({"model": "fake:query"}, "query: "),
        ({"model": "organisation/name:passage"}, "passage: "),
        ({"model": "localhost:5000/name"}, ""),
        ({"prompt_name": "query"}, "query: "),
        ({"model": "fake:query", "prompt_name": "none"}, ""),
    ],
)
def test_the_prompt_comes_of_the_models_name_or_a_field(
    client: TestClient, fake: FakeEmbedder, body: dict[str, str], prompt: str
) -> None:
    answer = embed(client, input="a", **body)
    assert vectors(answer).tobytes() == fake.encode(["a"], prompt=prompt).tobytes()


def test_the_server_has_a_prompt_for_those_who_name_none(
    make_client: Callable[..., TestClient], fake: FakeEmbedder
) -> None:
    client = make_client(default_prompt="passage")
    for model, prompt in (("any", "passage: "), ("any:none", ""), ("any:query", "query: ")):
        answer = embed(client, input="a", model=model)
        assert vectors(answer).tobytes() == fake.encode(["a"], prompt=prompt).tobytes()


def test_a_text_that_is_too_long_is_cut_and_counted(client: TestClient, fake: FakeEmbedder) -> None:
    answer = embed(client, input="a b c d e f g h i j")
    assert answer["usage"]["prompt_tokens"] == 8
    assert "ondol_truncated_texts_total 1.0" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "input: field required"),
        ({"input": []}, 400, "input is an empty list; expected at least one text"),
        ({"input": 3}, 400, "input: expected a text, a list of texts, a list of token ids, or"),
        ({"input": ["a", 1]}, 400, "input: expected a text, a list of texts"),
        ({"input": [True]}, 400, "input: expected a text, a list of texts"),
        ({"input": [1, 2]}, 400, "this server reads texts alone"),
        ({"input": "a", "encoding_format": "hex"}, 400, "expected 'float' or 'base64'"),
        ({"input": "a", "dimensions": 9}, 400, "dimensions is 9; expected a whole number from 1"),
        ({"input": "a", "dimensions": 0}, 400, "dimensions is 0; expected a whole number from 1"),
        ({"input": "a", "dimensions": "3"}, 400, "dimensions: expected a whole number from 1"),
        ({"input": "a", "prompt_name": "quary"}, 400, "no prompt named 'quary'; expected one of"),
        ({"input": "a", "model": "fake:quary"}, 404, "no model 'fake:quary': after the colon"),
        ({"input": ["a"] * 2049}, 413, "the request has 2,049 texts; at most 2,048"),
    ],
)
def test_errors_have_openais_form(
    client: TestClient, body: dict[str, Any], status: int, message: str
) -> None:
    response = client.post("/v1/embeddings", json=body)
    assert response.status_code == status
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert message in error["message"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"input": "\\ud800"}', b'{"input": "\xff"}', b"[]", b"3"]
)
def test_what_is_no_json_object_is_refused(client: TestClient, content: bytes) -> None:
    response = client.post("/v1/embeddings", content=content)
    assert response.status_code == 400
    assert response.json()["error"]["message"]


def test_errors_do_not_repeat_what_was_sent(client: TestClient) -> None:
    body = {"input": ["secret"], "encoding_format": "secret", "dimensions": "secret"}
    assert "secret" not in client.post("/v1/embeddings", json=body).text


def test_models_are_the_name_with_every_prompt(client: TestClient) -> None:
    answer = client.get("/v1/models").json()
    names = [one["id"] for one in answer["data"]]
    assert names == ["fake", "fake:query", "fake:passage", "fake:none"]
    assert answer["object"] == "list"
    one = client.get("/v1/models/fake:query").json()
    assert one == {
        "id": "fake:query", "object": "model", "created": 1767312000, "owned_by": "ondol",
    }  # fmt: skip
    missing = client.get("/v1/models/other")
    assert missing.status_code == 404
    assert missing.json()["error"]["code"] == "model_not_found"


def test_an_unknown_path_and_method_have_openais_form_too(client: TestClient) -> None:
    assert client.get("/v1/none").json()["error"]["message"] == "Not Found"
    assert client.get("/v1/embeddings").status_code == 405
    assert "error" in client.get("/v1/embeddings").json()
