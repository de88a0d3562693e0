"""What the search tab asks for: the index, and the passages that fit some words."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ondol.page.opening import Opening
from ondol.serve.bodies import Body, read_body
from ondol.serve.endpoint import Endpoint
from ondol.serve.limits import Limits

if TYPE_CHECKING:
    from ondol.search import Hit, Index

Answer = TypeVar("Answer")

#: Passages of an answer: more than a person looks at, and few enough for every key that is typed.
HITS = 20


class OpenIndex:
    """An index, the file it is in, and the one thread that searches it."""

    def __init__(self, path: Path, index: "Index") -> None:
        self.path = path
        self.index = index
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ondol-search")

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """What `work` gives, on the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Close the index when the search that runs has ended: its browser may be gone already."""
        self._thread.shutdown()
        self.index.close()


class SearchBody(Body):
    """Of POST /ui/search."""

    text: str = Field(description="a text")


class Finding:
    """Searches one after the other, so that a person who types does not make them pile up: one
    whose browser has gone on to the next is dropped before its turn.

    Args:
        opened: None if there is no index; whoever opened it closes it.
        opening: of the files in which passages are found.
    """

    def __init__(self, opened: OpenIndex | None, opening: Opening, limits: Limits) -> None:
        self._opened = opened
        self._opening = opening
        self._limits = limits
        self._turn = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        return [
            Endpoint("GET", "/index", self.describe, "Page: what the index holds"),
            Endpoint("POST", "/search", self.search, "Page: passages that fit", SearchBody),
        ]

    async def describe(self, request: Request) -> Response:
        """The index's numbers; null if there is none."""
        if self._opened is None:
            return JSONResponse(None)
        opened = self._opened
        stats = await self._run(request, opened, opened.index.stats)
        return JSONResponse(
            {
                "path": str(opened.path),
                "root": str(stats.root),
                "folder": stats.root.name,
                "files": stats.files,
                "passages": stats.passages,
                "skipped": sum(stats.skipped.values()),
                "bytes": stats.bytes,
                "updated": stats.updated,
                "opens": self._opening.possible,
            }
        )

    async def search(self, request: Request) -> Response:
        """The best HITS passages, and the milliseconds it took to find them."""
        body = await read_body(request, SearchBody, self._limits)
        if self._opened is None:
            return JSONResponse({"hits": [], "milliseconds": 0.0})
        opened = self._opened

        def find() -> tuple[list["Hit"], float]:
            started = time.perf_counter()
            hits = opened.index.search(body.text, HITS)
            return hits, 1000 * (time.perf_counter() - started)

        hits, milliseconds = await self._run(request, opened, find)
        found = [as_json(hit) | {"open": self._opening.remember(hit.path)} for hit in hits]
        return JSONResponse({"hits": found, "milliseconds": milliseconds})

    async def _run(self, request: Request, opened: OpenIndex, work: Callable[[], Answer]) -> Answer:
        """`work`, when its turn has come. Raises ClientDisconnect if nobody waits any more."""
        async with self._turn:
            if await request.is_disconnected():
                raise ClientDisconnect
            return await opened.run(work)


def as_json(hit: "Hit") -> dict[str, Any]:
    """A hit. Texts are cut here and not by positions: a script counts characters in UTF-16."""
    return {
        "file": hit.file,
        "path": str(hit.path),
        "unit": hit.unit.value,
        "first": hit.first,
        "last": hit.last,
        "headings": list(hit.headings),
        "text": hit.text,
        "snippet": marked(hit.snippet, hit.highlights),
        "score": hit.score,
        "vector_rank": hit.vector_rank,
        "word_rank": hit.word_rank,
    }


def marked(text: str, spans: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """`text` in parts, each with whether one of `spans`, which rise, covers it."""
    parts, position = [], 0
    for start, end in spans:
        parts += [(text[position:start], False), (text[start:end], True)]
        position = end
    parts.append((text[position:], False))
    return [{"text": part, "marked": is_marked} for part, is_marked in parts if part]
