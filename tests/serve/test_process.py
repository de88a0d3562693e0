"""`ondol serve` as a process: its key, its end, its limits, and what it says of a taken port."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ondol import Reranker

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

StartServer = Callable[..., Any]


def connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)


def ask(url: str, texts: list[str], **headers: str) -> tuple[int, Any]:
    asked = connection(url)
    asked.request("POST", "/embed", json.dumps({"inputs": texts}), headers)
    response = asked.getresponse()
    return response.status, json.loads(response.read())


def wait_for_metric(url: str, line: str) -> str:
    """All metrics, once `line` is one of them."""
    asked = connection(url)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        asked.request("GET", "/metrics")
        metrics = asked.getresponse().read().decode()
        if line in metrics.splitlines():
            return metrics
        time.sleep(0.005)
    raise TimeoutError(f"{line!r} is not in\n{metrics}")


def test_a_reranker_bundle_scores_as_in_the_library(
    start_server: StartServer, tiny_reranker: Path
) -> None:
    bundle = tiny_reranker / "bundle"
    texts = ["ab 한국 b", "", "한국 어"]
    server = start_server("--reranker", str(bundle))
    asked = connection(server.url)
    asked.request("POST", "/rerank", json.dumps({"query": "한국 a", "texts": texts}))
    found = json.loads(asked.getresponse().read())
    with Reranker(bundle) as reranker:
        ranked = reranker.rank("한국 a", texts)
    assert [one["index"] for one in found] == [one["corpus_id"] for one in ranked]
    assert [one["score"] for one in found] == pytest.approx([one["score"] for one in ranked])


def test_sigterm_lets_a_request_end_and_takes_no_other(start_server: StartServer) -> None:
    server = start_server()
    many = [f"{n} 번째 문장이다. " * 20 for n in range(60)]
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ask, server.url, many)
        wait_for_metric(server.url, "ondol_requests_in_progress 1.0")
        code, log = server.stop(signal.SIGTERM)
        status, vectors = running.result()
    assert code == 0, log
    assert status == 200
    assert len(vectors) == 60
    assert "POST /embed 200" in log
    assert "Traceback" not in log
    with pytest.raises(ConnectionRefusedError):
        ask(server.url, ["a"])


def test_the_rest_of_a_request_is_dropped_when_its_client_goes_away(
    start_server: StartServer,
) -> None:
    server = start_server()
    many = [f"{n} 번째 문장이다. " * 20 for n in range(1500)]
    asked = connection(server.url)
    asked.request("POST", "/embed", json.dumps({"inputs": many}))
    wait_for_metric(server.url, "ondol_requests_in_progress 1.0")
    asked.close()
    metrics = wait_for_metric(server.url, "ondol_requests_in_progress 0.0")
    assert 'ondol_requests_total{path="/embed",status="499"} 1.0' in metrics
    assert "ondol_waiting_texts 0.0" in metrics
    assert "ondol_texts_total 0.0" in metrics
    code, log = server.stop(signal.SIGTERM)
    assert code == 0
    assert "POST /embed 499" in log


def test_ctrl_c_exits_with_130(start_server: StartServer) -> None:
    code, log = start_server().stop(signal.SIGINT)
    assert code == 130
    assert log == "ondol: stopped by Ctrl-C\n"


def test_the_key_of_the_environment_is_asked_for_and_not_told(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONDOL_API_KEY", "a-secret")
    server = start_server("--max-texts", "2", "--max-body", "100")
    assert ask(server.url, ["a"])[0] == 401
    key = {"Authorization": "Bearer a-secret"}
    assert ask(server.url, ["a"], **key)[0] == 200
    assert ask(server.url, ["a", "b", "c"], **key)[0] == 413
    assert ask(server.url, ["a" * 100], **key)[0] == 413
    code, log = server.stop(signal.SIGTERM)
    assert code == 0
    assert "a-secret" not in server.first_line + log


def test_a_body_sent_in_chunks_is_bounded_too(start_server: StartServer) -> None:
    server = start_server("--max-body", "1000")
    asked = connection(server.url)
    chunks = (b'{"inputs": "' + b"a" * 600 for _ in range(5))
    asked.request("POST", "/embed", chunks, encode_chunked=True)
    response = asked.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["error_type"] == "Validation"


def test_a_thousand_connections_that_ask_nothing_are_in_nobodys_way(
    start_server: StartServer,
) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("this machine does not allow a process so many connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))  # the server inherits it
    try:
        server = start_server()
        address = urlsplit(server.url)
        with ExitStack() as stack:
            for _ in range(1000):
                where = (address.hostname, address.port)
                stack.enter_context(socket.create_connection(where, timeout=10))
            assert ask(server.url, ["a"])[0] == 200
            code, log = server.stop(signal.SIGTERM)
        assert code == 0
        assert [line.split()[4] for line in log.splitlines()] == ["200"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_taken_port_is_an_error_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "ondol", "serve", "--port", port],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"ondol: error: cannot listen on 127.0.0.1 port {port}: ")
    assert done.stderr.count("\n") == 1
