"""A server with a fake model inside this process, and a real one in a process of its own."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from ondol.serve.app import create_app
from ondol.serve.served_model import ServedModel
from ondol.testing import FakeEmbedder, FakeReranker

MakeClient = Callable[..., TestClient]


def served(embedder: FakeEmbedder, **changes: Any) -> ServedModel:
    """The facts of a fake."""
    facts: dict[str, Any] = {
        "name": "fake",
        "prompts": embedder.prompts,
        "default_prompt": "none",
        "dimension": embedder.dimension,
        "max_tokens": embedder.max_tokens,
        "normalized": True,
        "pooling": "mean",
        "variant": "onnx-int8",
        "family": "bert",
        "bytes": 1234,
        "sha256": "0" * 64,
        "loaded_at": datetime(2026, 1, 2, tzinfo=UTC),
    }
    return ServedModel(**(facts | changes))


@pytest.fixture
def fake() -> FakeEmbedder:
    """Vectors of 8 elements; a text's tokens are its words and two, at most 8."""
    return FakeEmbedder(dimension=8, max_tokens=8)


@pytest.fixture
def make_client(fake: FakeEmbedder) -> Iterator[MakeClient]:
    """A client of an application with `fake` or another embedder. default_prompt goes to its
    ServedModel, all other keyword arguments to create_app.
    """
    clients = []

    def make(
        embedder: FakeEmbedder = fake, *, default_prompt: str = "none", **options: Any
    ) -> TestClient:
        app = create_app(embedder, served(embedder, default_prompt=default_prompt), **options)
        # Its own host name is "testserver".
        client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
        clients.append(client)
        client.__enter__()
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    """The application as it is by default, and with a reranker."""
    return make_client(reranker=FakeReranker())


class ServerProcess:
    """`ondol serve` on a free port; everything it writes to standard error is in `log()`."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "ondol", "serve", "--port", "0", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.first_line = self.process.stderr.readline()
        match = re.search(r"http://\S+", self.first_line)
        assert match is not None, self.first_line + self.process.stderr.read()
        self.url = match[0]

    def stop(self, number: int) -> tuple[int, str]:
        """Send a signal, wait, and return the exit code and the log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=60)
        return self.process.returncode, log


@pytest.fixture
def start_server() -> Iterator[Callable[..., ServerProcess]]:
    """Start `ondol serve` with these options; it is killed at the end if it still runs."""
    servers = []

    def start(*options: str) -> ServerProcess:
        servers.append(ServerProcess(*options))
        return servers[-1]

    yield start
    for server in servers:
        server.process.kill()
        server.process.communicate()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server with the bundle in the package, for all tests that only ask it."""
    server = ServerProcess()
    yield server.url
    server.process.kill()
    server.process.communicate()
