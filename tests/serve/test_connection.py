"""Clients that are slow, silent, or do not speak HTTP: cut off, logged, and the next one served."""

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest
import uvicorn
from starlette.testclient import TestClient

from ondol.serve.limits import Limits
from ondol.serve.run_server import bind, server_config
from ondol.testing import FakeEmbedder

MakeClient = Callable[..., TestClient]
Connect = Callable[[], socket.socket]

#: Seconds that the server here lets a connection be without a request.
PATIENCE = 1
#: Of a body.
GRACE = 0.5

HEAD = b"POST /embed HTTP/1.1\r\nHost: localhost\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def connect(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> Iterator[Connect]:
    """Opens a connection to a server on a thread, whose vectors are long."""
    caplog.set_level(logging.INFO, logger="ondol.serve.access")
    client = make_client(FakeEmbedder(dimension=4096), limits=Limits(grace_seconds=GRACE))
    server = uvicorn.Server(server_config(client.app, keep_alive=PATIENCE))
    with bind("127.0.0.1", 0) as bound:
        address = bound.getsockname()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield lambda: socket.create_connection(address, timeout=10)
        server.should_exit = True
        thread.join()


def read_to_end(connection: socket.socket) -> bytes:
    """Until the server closes it, or resets it as bytes of ours are left unread."""
    received = bytearray()
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return bytes(received)


def is_served(connect: Connect) -> bool:
    with closing(connect()) as connection:
        connection.sendall(HEALTH)
        return connection.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Lines of the access log without times."""
    return [re.sub(r" ms=.*", "", line.partition(" ")[2]) for line in caplog.messages]


def assert_told(caplog: pytest.LogCaptureFixture, lines: list[str]) -> None:
    """A client may see the end of its connection before the server has logged it."""
    wait_until_told(caplog, lines[-1:])
    assert told(caplog) == lines


def wait_until_told(caplog: pytest.LogCaptureFixture, lines: list[str]) -> None:
    """Until all of `lines` are there, or for ten seconds."""
    deadline = time.monotonic() + 10
    while not set(lines) <= set(told(caplog)) and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("sent", "lines"),
    [
        (b"", []),
        (b"GET", ["127.0.0.1 - - 408"]),
        (HEALTH, ["127.0.0.1 GET /health 200"]),
        (HEALTH + b"GET /health HTTP", ["127.0.0.1 GET /health 200", "127.0.0.1 - - 408"]),
    ],
)
def test_a_connection_without_a_request_is_closed(
    connect: Connect, caplog: pytest.LogCaptureFixture, sent: bytes, lines: list[str]
) -> None:
    with closing(connect()) as connection:
        started = time.monotonic()
        connection.sendall(sent)
        read_to_end(connection)
        assert PATIENCE * 0.9 < time.monotonic() - started < 8
    assert_told(caplog, lines)
    assert is_served(connect)


def test_a_head_of_one_byte_after_the_other_does_not_win_time(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    started = time.monotonic()
    with closing(connect()) as connection, suppress(BrokenPipeError, ConnectionResetError):
        while time.monotonic() - started < 8:
            connection.sendall(b"A")
            time.sleep(0.1)
    assert time.monotonic() - started < 8
    assert_told(caplog, ["127.0.0.1 - - 408"])
    assert is_served(connect)


def test_a_body_of_one_byte_after_the_other_gives_its_place_to_others(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(connect()) as connection:
        connection.settimeout(0.1)
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        answer = b""
        while not answer:
            connection.sendall(b" ")
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"if it is slower than 240 bytes per second" in answer
    assert_told(caplog, ["127.0.0.1 POST /embed 408"])
    assert is_served(connect)


def test_a_response_that_nobody_reads_is_dropped(connect: Connect) -> None:
    body = json.dumps({"inputs": ["a"] * 300}).encode()
    with closing(connect()) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        time.sleep(PATIENCE * 2.5)
        received = read_to_end(connection)
    # What the two sockets had taken up, and not the 15 MB that there were.
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    length = re.search(rb"content-length: (\d+)", received)
    assert length is not None
    assert len(received) < int(length[1])
    assert is_served(connect)


def test_a_response_that_is_read_slowly_is_not(connect: Connect) -> None:
    body = json.dumps({"inputs": ["a"] * 300}).encode()
    received = bytearray()
    with closing(connect()) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        started = time.monotonic()
        while time.monotonic() - started < PATIENCE * 2.5:
            received += connection.recv(400_000)
            time.sleep(0.2)
        received += read_to_end(connection)
    head, _, content = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert len(json.loads(content)) == 300


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 5,  # TLS
        b"GET /health HTTP/1.1\r\n\r\n",  # no Host
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: aaaaaaaa\r\n" * 20_000 + b"\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1_000_000,  # no end
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: " + b"0" * 5000 + b"2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}",
    ],
    ids=lambda sent: repr(sent[-40:]),
)
def test_what_is_not_http_is_refused_once_and_logged(
    connect: Connect, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    with closing(connect()) as connection:
        with suppress(ConnectionResetError):
            connection.sendall(sent)
        received = read_to_end(connection)
    assert received.count(b"HTTP/1.1 ") <= 1  # none if the reset overtakes it
    assert received[:13] in (b"", b"HTTP/1.1 400 ")
    # A body that breaks off after its head also ends the request that had begun: 499.
    wait_until_told(caplog, ["127.0.0.1 - - 400"])
    assert "127.0.0.1 - - 400" in told(caplog)
    assert not [record for record in caplog.records if record.exc_info]
    assert is_served(connect)


def test_a_body_that_goes_wrong_after_its_response_gets_no_second_one(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    head = HEAD + b"Origin: http://attacker.example\r\nTransfer-Encoding: chunked\r\n\r\n"
    with closing(connect()) as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 403 ")
        connection.sendall(b"ZZ\r\n")
        assert read_to_end(connection) == b""
    assert_told(caplog, ["127.0.0.1 POST /embed 403", "127.0.0.1 - - 400"])
    assert not [record for record in caplog.records if record.exc_info]
    assert is_served(connect)
