"""What the application does with errors of the model, with more routes, and with lost clients."""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ondol.errors import EngineError, InputError
from ondol.runtime.embedder import EmbedResult
from ondol.testing import FakeEmbedder

MakeClient = Callable[..., TestClient]


class FailingEmbedder(FakeEmbedder):
    """Fails for the text "bad"."""

    def __init__(self, error: Exception) -> None:
        super().__init__(dimension=8)
        self.error = error

    def embed(self, texts: Sequence[str], **options: Any) -> EmbedResult:
        if "bad" in texts:
            raise self.error
        return super().embed(texts, **options)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (EngineError("no memory"), 500, "no memory"),
        (RuntimeError("a password"), 500, "an error of the server itself; see its log"),
    ],
)
def test_errors_of_the_model_are_answered_and_the_server_goes_on(
    make_client: MakeClient, error: Exception, status: int, message: str
) -> None:
    client = make_client(FailingEmbedder(error))
    response = client.post("/embed", json={"inputs": "bad"})
    assert response.status_code == status
    assert response.json() == {"error": message, "error_type": "Backend"}
    assert client.post("/embed", json={"inputs": "good"}).status_code == 200
    openai = client.post("/v1/embeddings", json={"input": "bad"})
    assert openai.json()["error"]["type"] == "server_error"


def test_a_model_that_was_closed_is_a_server_that_stops(
    client: TestClient, fake: FakeEmbedder
) -> None:
    fake.close()
    response = client.post("/embed", json={"inputs": "a"})
    assert response.status_code == 503
    assert response.json() == {"error": "the server is stopping", "error_type": "Unhealthy"}


def test_more_routes_stand_behind_the_same_gate(make_client: MakeClient) -> None:
    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse("a page")

    client = make_client(routes=[Route("/", page)], api_key="key")
    assert client.get("/").status_code == 401
    headers = {"Authorization": "Bearer key"}
    assert client.get("/", headers=headers).text == "a page"
    assert client.post("/", json={"inputs": "a"}, headers=headers).status_code == 200


def test_an_unknown_default_prompt_is_an_error_at_the_start(make_client: MakeClient) -> None:
    with pytest.raises(InputError, match="no prompt named 'quary'; expected one of 'query'"):
        make_client(default_prompt="quary")


class Blocking(FakeEmbedder):
    """Notes the texts; runs when it is let."""

    def __init__(self) -> None:
        super().__init__(dimension=8)
        self.texts: list[str] = []
        self.go_on = threading.Event()

    def embed(self, texts: Sequence[str], **options: Any) -> EmbedResult:
        self.texts += texts
        assert self.go_on.wait(10)
        return super().embed(texts, **options)


def test_texts_of_a_client_that_went_away_do_not_run(make_client: MakeClient) -> None:
    blocking = Blocking()
    client = make_client(blocking)

    async def ask(text: str, gone: asyncio.Event) -> list[int]:
        """A request whose client goes away when `gone` is set; the statuses that it was sent."""
        body = json.dumps({"inputs": text}).encode()
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        statuses = []

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(int(message["status"]))

        scope = {
            "type": "http", "method": "POST", "path": "/embed", "raw_path": b"/embed",
            "query_string": b"", "headers": [], "client": None, "server": ("localhost", 80),
        }  # fmt: skip
        await client.app(scope, receive, send)
        return statuses

    async def scenario() -> list[list[int]]:
        stays, goes = asyncio.Event(), asyncio.Event()
        running = [asyncio.create_task(ask(text, stays)) for text in ("first", "second")]
        while len(blocking.texts) < len(running):  # one in each lane
            await asyncio.sleep(0.001)
        lost, last = (asyncio.create_task(ask(*of)) for of in (("lost", goes), ("last", stays)))
        await asyncio.sleep(0.05)
        goes.set()
        lost_statuses = await lost
        blocking.go_on.set()
        return [lost_statuses, *await asyncio.gather(*running, last)]

    assert asyncio.run(scenario()) == [[499], [200], [200], [200]]
    assert sorted(blocking.texts[:2]) == ["first", "second"]
    assert blocking.texts[2:] == ["last"]
