"""The index's numbers, and passages that fit."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Message

from ondol.page.finding import Finding, OpenIndex, marked
from ondol.page.opening import Opening
from ondol.search import Hit, Index
from ondol.serve.limits import Limits

MakeClient = Callable[..., TestClient]


def test_without_an_index_there_is_nothing(make_client: MakeClient) -> None:
    client = make_client()
    assert client.get("/ui/index").json() is None
    assert client.post("/ui/search", json={"text": "여행"}).json()["hits"] == []


def test_the_index_is_described(make_client: MakeClient, index: OpenIndex) -> None:
    found = make_client(opened=index).get("/ui/index").json()
    assert (found["files"], found["passages"], found["folder"]) == (3, 3, "documents")
    assert found["opens"] is False


def test_a_passage_comes_with_its_place_and_marked_words(
    make_client: MakeClient, index: OpenIndex
) -> None:
    answer = make_client(opened=index).post("/ui/search", json={"text": "여행지"}).json()
    hit = answer["hits"][0]
    assert hit["file"] == "여행.md"
    assert hit["path"].endswith("/documents/여행.md")
    assert (hit["unit"], hit["first"], hit["headings"]) == ("line", 1, ["국내 여행"])
    assert hit["word_rank"] == 1
    # Behind a character of two UTF-16 units too.
    assert "여행지" in [part["text"] for part in hit["snippet"] if part["marked"]]
    assert answer["milliseconds"] > 0


def test_an_empty_text_is_a_wrong_request(make_client: MakeClient, index: OpenIndex) -> None:
    answer = make_client(opened=index).post("/ui/search", json={"text": " "})
    assert answer.status_code == 400
    assert "is empty" in answer.json()["error"]


def test_what_a_person_types_is_short(make_client: MakeClient, index: OpenIndex) -> None:
    answer = make_client(opened=index).post("/ui/search", json={"text": "x" * 300_000})
    assert answer.status_code == 413


class SlowIndex:
    """An index whose searches wait until they may go on."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = threading.Event()
        self.events: list[str] = []

    def search(self, text: str, limit: int) -> list[Hit]:
        self.asked.append(text)
        self.go_on.wait(10)
        self.events.append("found")
        return []

    def close(self) -> None:
        self.events.append("closed")


def request(text: str, *, gone: bool) -> Request:
    """A search for a text; gone: the browser does not wait for its answer."""
    messages = [{"type": "http.request", "body": json.dumps({"text": text}).encode()}]
    if gone:
        messages.append({"type": "http.disconnect"})

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


def test_a_search_that_nobody_waits_for_is_not_begun() -> None:
    index = SlowIndex()
    limits = Limits()
    opened = OpenIndex(Path("index.sqlite3"), cast(Index, index))
    finding = Finding(opened, Opening(None, limits), limits)

    async def type_on() -> list[Response | BaseException]:
        searches = [
            asyncio.create_task(finding.search(request(text, gone=text == "여ㅎ")))
            for text in ("여", "여ㅎ", "여행")
        ]
        await asyncio.sleep(0.05)  # all of them have come
        index.go_on.set()
        return await asyncio.gather(*searches, return_exceptions=True)

    first, second, third = asyncio.run(type_on())
    assert index.asked == ["여", "여행"]
    assert isinstance(second, ClientDisconnect)
    assert isinstance(first, Response)
    assert isinstance(third, Response)


def test_the_index_is_closed_when_the_search_has_ended_that_runs() -> None:
    index = SlowIndex()
    opened = OpenIndex(Path("index.sqlite3"), cast(Index, index))

    async def leave() -> None:
        search = asyncio.create_task(opened.run(lambda: index.search("여행", 1)))
        while not index.asked:
            await asyncio.sleep(0.01)
        search.cancel()

    asyncio.run(leave())
    threading.Timer(0.05, index.go_on.set).start()
    opened.close()
    assert index.events == ["found", "closed"]


def test_parts_put_together_are_the_text() -> None:
    parts = marked("ab cd ef", [(0, 2), (6, 8)])
    assert parts == [
        {"text": "ab", "marked": True},
        {"text": " cd ", "marked": False},
        {"text": "ef", "marked": True},
    ]
    assert marked("", []) == []
