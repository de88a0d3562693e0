"""Who may ask, and how many at once."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from ondol.runtime.embedder import EmbedResult
from ondol.serve.limits import Limits
from ondol.serve.run_server import allowed_hosts
from ondol.testing import FakeEmbedder

MakeClient = Callable[..., TestClient]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer ", 401),
        ("Bearer wrong", 401),
        ("Bearer 열쇠2", 401),
        ("Basic 열쇠", 401),
        ("Bearer 열쇠", 200),
        ("bearer  열쇠", 200),
    ],
)
def test_the_key(make_client: MakeClient, header: str | None, status: int) -> None:
    client = make_client(api_key="열쇠")
    headers = {} if header is None else {"Authorization": header.encode()}
    response = client.post("/v1/embeddings", json={"input": "a"}, headers=headers)
    assert response.status_code == status
    if status == 401:
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/metrics", "/v1/models", "/openapi.json", "/none"])
def test_the_key_is_for_everything_but_health(make_client: MakeClient, path: str) -> None:
    client = make_client(api_key="key")
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get(path).status_code == 401
    assert client.post("/health").status_code in (401, 405)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost", 200),
        ("http://localhost:3000", 403),
        ("https://example.com", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_sites_are_not_answered(
    client: TestClient, origin: str | None, status: int
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    response = client.post("/api/embed", json={"input": "a"}, headers=headers)
    assert response.status_code == status
    assert not any(name.startswith("access-control") for name in response.headers)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("attacker.example", 400),
        ("localhost.attacker.example", 400),
        ("", 400),
    ],
)
def test_host_names_that_lead_here_by_a_trick_are_refused(
    make_client: MakeClient, host: str, status: int
) -> None:
    client = make_client(allowed_hosts=allowed_hosts("127.0.0.1"))
    assert client.get("/health", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", ["localhost", "127.0.0.1", "[::1]"]),
        ("::1", ["localhost", "127.0.0.1", "[::1]"]),
        ("127.0.0.2", ["localhost", "127.0.0.1", "[::1]", "127.0.0.2"]),
        ("0.0.0.0", None),
        ("::", None),
        ("192.168.0.7", None),
        ("server.example", None),
    ],
)
def test_only_an_address_of_this_machine_alone_has_a_list_of_hosts(
    host: str, expected: list[str] | None
) -> None:
    assert allowed_hosts(host) == expected


class SlowEmbedder(FakeEmbedder):
    """Works when it is let."""

    def __init__(self) -> None:
        super().__init__(dimension=8)
        self.started = threading.Event()
        self.go_on = threading.Event()

    def embed(self, texts: Sequence[str], **options: Any) -> EmbedResult:
        self.started.set()
        assert self.go_on.wait(10)
        return super().embed(texts, **options)


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/embeddings", {"input": "a"}), ("/embed", {"inputs": "a"})]
)
def test_more_requests_than_the_limit_are_told_to_come_again(
    make_client: MakeClient, path: str, body: dict[str, str]
) -> None:
    slow = SlowEmbedder()
    client = make_client(slow, limits=Limits(requests=1))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, path, json=body)
        assert slow.started.wait(10)
        second = client.post(path, json=body)
        assert second.status_code == 429
        assert second.headers["Retry-After"] == "1"
        assert "try again later" in second.text
        assert client.get("/health").status_code == 200
        assert "ondol_requests_in_progress 1.0" in client.get("/metrics").text
        slow.go_on.set()
        assert first.result().status_code == 200
        assert client.post(path, json=body).status_code == 200
