"""Files of the index, opened by the desktop's own program at the wish of the page.

No file's content goes over HTTP. The page names a file by a number that a search has just given
it, not by a path, and only kinds of files are opened that are shown and never run: source code,
which a desktop may run, and web pages, whose scripts would, are left to be copied by path.
"""

import os
import secrets
import shutil
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ondol.serve.bodies import Body, read_body
from ondol.serve.endpoint import Endpoint
from ondol.serve.limits import Limits
from ondol.serve.request_errors import RequestError

#: Suffixes of files that are opened.
SHOWN = frozenset((".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".org", ".pdf", ".docx"))

#: Files that are remembered, of the last searches.
_REMEMBERED = 1000

Opener = Callable[[Path], object]


class OpenBody(Body):
    """Of POST /ui/open."""

    id: str = Field(description="the id of a passage that was found")


class Opening:
    """Remembers the files of passages that were found, and opens them.

    Args:
        opener: None opens nothing.
    """

    def __init__(self, opener: Opener | None, limits: Limits) -> None:
        self._opener = opener
        self._limits = limits
        self._paths: OrderedDict[str, Path] = OrderedDict()

    @property
    def possible(self) -> bool:
        """Whether any file can be opened."""
        return self._opener is not None

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        return [Endpoint("POST", "/open", self.open, "Page: open a passage's file", OpenBody)]

    def remember(self, path: Path) -> str | None:
        """An id with which the file can be opened; None if it is of no kind that is."""
        if self._opener is None or path.suffix.lower() not in SHOWN:
            return None
        number = secrets.token_urlsafe(12)
        self._paths[number] = path
        while len(self._paths) > _REMEMBERED:
            self._paths.popitem(last=False)
        return number

    async def open(self, request: Request) -> Response:
        """Raises RequestError 404 for an id that is not known any more, or a file that is gone."""
        body = await read_body(request, OpenBody, self._limits)
        path = self._paths.get(body.id)
        if path is None or self._opener is None:
            raise RequestError(
                HTTPStatus.NOT_FOUND, "the passage is of an earlier search; search again"
            )
        # A link may have taken its place since.
        target = path.resolve()
        if not target.is_file() or target.suffix.lower() not in SHOWN:
            raise RequestError(
                HTTPStatus.NOT_FOUND,
                f"{path.name} is not there any more; bring the index up to date with `ondol index`",
            )
        self._opener(target)
        return JSONResponse({"opened": True})


def desktop_opener() -> Opener | None:
    """Opens a file with the program that the desktop has for it; None if this is no desktop."""
    if sys.platform == "win32":
        return os.startfile
    command = "open" if sys.platform == "darwin" else "xdg-open"
    # Without a screen xdg-open would look for browsers of the terminal.
    desktop = sys.platform == "darwin" or os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}
    program = shutil.which(command)
    return _with(program) if program is not None and desktop else None


def _with(program: str) -> Opener:
    def opener(path: Path) -> None:
        subprocess.Popen(
            (program, str(path)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    return opener
