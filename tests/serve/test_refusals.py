"""Requests that mean harm: refused in the form of their protocol, and logged."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from ondol.serve.run_server import allowed_hosts

MakeClient = Callable[..., TestClient]


@pytest.fixture
def local(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> TestClient:
    """As `ondol serve` is without options."""
    caplog.set_level(logging.INFO, logger="ondol.serve.access")
    return make_client(allowed_hosts=allowed_hosts("127.0.0.1"))


def operations(client: TestClient) -> list[tuple[str, str]]:
    """Method and path of everything that there is."""
    paths: dict[str, Any] = client.get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path.replace("{model}", "fake"))
        for path, found in paths.items()
        for method in found
    ]


def posts(client: TestClient) -> list[str]:
    return [path for method, path in operations(client) if method == "POST"]


BODIES = {
    "empty": b"",
    "half": b'{"input": "a',
    "not UTF-8": b'{"input": "\xff\xfe"}',
    "a lone surrogate": b'{"input": "\\ud800"}',
    "UTF-16": '{"input": "a"}'.encode("utf-16"),
    "compressed": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "a form": b"input=a",
    "deep lists": b'{"input": ' + b"[" * 1_000_000,
    "deep objects": b'{"input":' * 200_000 + b"1" + b"}" * 200_000,
    "deep where nothing is read": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of many digits": b'{"input": [' + b"9" * 1_000_000 + b"]}",
    "not a number": b'{"input": [NaN, Infinity]}',
    "no object": b"[]",
    "null": b"null",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_that_are_not_what_was_asked_for(
    local: TestClient, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    paths = posts(local)
    caplog.clear()
    for path in paths:
        response = local.post(path, content=body)
        assert response.status_code == 400, path
        assert len(response.content) < 1000  # what came is not sent back
        assert "error" in response.json()
    assert [line.split()[2:5] for line in caplog.messages] == [
        ["POST", path, "400"] for path in paths
    ]


def test_a_body_of_more_than_the_limit(local: TestClient) -> None:
    for path in posts(local):
        response = local.post(path, content=b" " * (16 * 2**20 + 1))
        assert response.status_code == 413, path


def test_pages_of_other_sites_reach_nothing_that_works(
    local: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The POST that a page of another site may send without asking first."""
    paths = posts(local)
    caplog.clear()
    for path in paths:
        for origin in ("https://attacker.example", "http://localhost.attacker.example", "null"):
            headers = {"Origin": origin, "Content-Type": "text/plain"}
            content = json.dumps({"input": "a", "inputs": "a", "prompt": "a"})
            response = local.post(path, content=content, headers=headers)
            assert response.status_code == 403, path
    assert [line.split()[4] for line in caplog.messages] == ["403"] * 3 * len(paths)
    preflight = {"Origin": "https://attacker.example", "Access-Control-Request-Method": "POST"}
    for path in paths:
        response = local.options(path, headers=preflight)
        assert response.status_code == 405
        assert not any(name.startswith("access-control") for name in response.headers)


def test_a_name_that_was_made_to_lead_here_reaches_nothing(
    local: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    """DNS rebinding: for the browser, page and server are of one site."""
    asked = operations(local)
    caplog.clear()
    for method, path in asked:
        headers = {"Host": "attacker.example:8080", "Origin": "http://attacker.example:8080"}
        assert local.request(method, path, headers=headers).status_code == 400, path
    assert [line.split()[4] for line in caplog.messages] == ["400"] * len(asked)


@pytest.mark.parametrize("prefix", ["", "/v1/models", "/ui", "/static", "/api", "//"])
@pytest.mark.parametrize("up", ["/..", "/%2e%2e", "/..%2f", "/..%5c", "/%252e%252e", "/....//"])
@pytest.mark.parametrize("target", ["/etc/passwd", "/ondol.json", "%00"])
def test_no_path_leads_to_a_file(local: TestClient, prefix: str, up: str, target: str) -> None:
    response = local.get(f"http://localhost{prefix}{up * 6}{target}", follow_redirects=True)
    assert response.status_code == 404
    assert b"root:" not in response.content
    assert b"schema_version" not in response.content


def test_a_wrong_method_is_told_the_right_ones(client: TestClient) -> None:
    """RFC 9110, 15.5.6."""
    response = client.get("/v1/embeddings")
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    allowed = client.post("/api/version").headers["Allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD"}
