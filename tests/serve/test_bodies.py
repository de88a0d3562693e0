"""Bodies are read no further than they may be long, and no longer than they may take."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import pytest
from pydantic import Field
from starlette.requests import Request

from ondol.serve.bodies import Body, read_body
from ondol.serve.limits import Limits
from ondol.serve.request_errors import RequestError

LIMITS = Limits(body_bytes=1000, body_seconds=0.2, grace_seconds=0.05, bytes_per_second=1000)


class Words(Body):
    words: list[str] = Field(description="a list of texts")
    number: int = 1


def read(receive: Callable[[], Awaitable[Any]], *, length: str | None = None) -> Words:
    headers = [] if length is None else [(b"content-length", length.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    return asyncio.run(read_body(Request(scope, receive), Words, LIMITS))


class Sender:
    """Sends chunks of 100 bytes for ever, or `content` at once, and counts."""

    def __init__(self, content: bytes | None = None) -> None:
        self.content = content
        self.chunks = 0

    async def receive(self) -> Any:
        self.chunks += 1
        if self.content is None:
            return {"type": "http.request", "body": b"x" * 100, "more_body": True}
        return {"type": "http.request", "body": self.content, "more_body": False}


def test_a_body_without_end_is_read_up_to_the_limit_alone() -> None:
    sender = Sender()
    with pytest.raises(RequestError, match="larger than 1,000 bytes") as caught:
        read(sender.receive)
    assert caught.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert sender.chunks == 11


@pytest.mark.parametrize("length", ["1001", "9" * 30])
def test_a_body_that_says_it_is_too_long_is_not_read_at_all(length: str) -> None:
    sender = Sender()
    with pytest.raises(RequestError, match="larger than 1,000 bytes"):
        read(sender.receive, length=length)
    assert sender.chunks == 0


@pytest.mark.parametrize("length", [None, "1", "-5", "many", "0" * 5000])
def test_a_length_that_is_wrong_changes_nothing(length: str | None) -> None:
    body = read(Sender(b'{"words": ["\xec\x98\xa8\xeb\x8f\x8c"]}').receive, length=length)
    assert body.words == ["온돌"]


def test_the_longest_body_is_read() -> None:
    content = json.dumps({"words": ["a" * 900]}).encode().ljust(1000)
    assert read(Sender(content).receive, length="1000").words == ["a" * 900]


@pytest.mark.parametrize(
    ("pause", "seconds"),
    [(10.0, 0.05), (0.01, 0.2)],  # the grace for one that is too slow, all the time for the other
)
def test_a_body_that_does_not_arrive_gives_the_place_to_others(
    pause: float, seconds: float
) -> None:
    async def receive() -> Any:
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": b"x" * 20, "more_body": True}

    started = time.monotonic()
    with pytest.raises(RequestError, match=r"only [\d,]+ bytes of the body arrived") as caught:
        read(receive)
    assert caught.value.status == HTTPStatus.REQUEST_TIMEOUT
    assert seconds <= time.monotonic() - started < 5


def test_nothing_is_converted_and_every_field_is_named_once() -> None:
    with pytest.raises(RequestError) as caught:
        read(Sender(b'{"words": [1, 2, 3], "number": "7"}').receive)
    assert caught.value.message == (
        "words: expected a list of texts; number: input should be a valid integer"
    )
