"""What is written and counted of a request."""

import logging
import re

import pytest
from starlette.testclient import TestClient

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d testclient (.*) ms=\d+\.\d(.*)"
)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="ondol.serve.access")
    return caplog


def told(line: str) -> str:
    match = LINE.fullmatch(line)
    assert match is not None, line
    return match[1] + match[2]


def test_a_line_tells_what_was_done_and_not_with_what(
    client: TestClient, log: pytest.LogCaptureFixture
) -> None:
    long = "secret " * 20
    client.post("/v1/embeddings?key=secret", json={"input": ["secret", long]})
    client.post("/rerank", json={"query": "secret", "texts": ["a", "b"]})
    client.post("/api/embed", json={"model": "m:secret", "input": "secret"})
    client.get("/health")
    assert [told(line) for line in log.messages] == [
        "POST /v1/embeddings 200 texts=2 tokens=11 truncated=1",
        "POST /rerank 200 texts=2",
        "POST /api/embed 404",
        "GET /health 200",
    ]


def test_a_path_cannot_write_a_line_of_its_own(
    client: TestClient, log: pytest.LogCaptureFixture
) -> None:
    client.get("/a%0Ab%1B")
    assert [told(line) for line in log.messages] == ["GET /a%0Ab%1B 404"]


def test_a_path_cannot_fill_the_log(client: TestClient, log: pytest.LogCaptureFixture) -> None:
    client.request("A" * 5000, "/" + "a" * 50_000)
    assert [told(line) for line in log.messages] == [f"{'A' * 200} /{'a' * 199} 404"]


def test_requests_texts_and_tokens_are_counted(client: TestClient) -> None:
    client.post("/v1/embeddings", json={"input": ["a", "b c"]})
    client.post("/v1/embeddings", json={"input": []})
    client.post("/rerank", json={"query": "a", "texts": ["a", "b"]})
    client.get("/none/1")
    client.get("/none/2")
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = set(response.text.splitlines())
    assert found >= {
        'ondol_requests_total{path="/v1/embeddings",status="200"} 1.0',
        'ondol_requests_total{path="/v1/embeddings",status="400"} 1.0',
        'ondol_requests_total{path="other",status="404"} 2.0',
        'ondol_request_seconds_count{path="/v1/embeddings"} 2.0',
        'ondol_request_seconds_bucket{le="+Inf",path="/rerank"} 1.0',
        "ondol_texts_total 2.0",
        "ondol_tokens_total 7.0",
        "ondol_pairs_total 2.0",
        "ondol_waiting_texts 0.0",
        "ondol_requests_in_progress 0.0",
        "ondol_batch_texts_count 2.0",
    }
