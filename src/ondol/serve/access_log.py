"""One line and the metrics of every request."""

import logging
import time
from collections.abc import Collection
from datetime import datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ondol.serve.metrics import Metrics
from ondol.serve.service import Usage

logger = logging.getLogger("ondol.serve.access")

#: Stands for all paths that do not exist, which would otherwise make a metric each.
_OTHER = "other"

#: Characters of a method, or of a path, that are told; clients may send a hundred thousand.
_TOLD = 200


class AccessLog:
    """Tells of a request when its response has ended: time, client, method, path, status,
    milliseconds, and texts and tokens if it had any. Texts, keys and queries are not told.

    Args:
        paths: those that are counted by themselves.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, paths: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        started = time.perf_counter()
        status = 500  # if there is no response, an error that nobody expected came instead

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            seconds = time.perf_counter() - started
            path = scope["path"] if scope["path"] in self._paths else _OTHER
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(seconds)
            logger.info("%s", _line(scope, status, seconds, state.get("usage")))


def _line(scope: Scope, status: int, seconds: float, usage: object) -> str:
    host, _ = scope.get("client") or ("-", 0)
    # As it came, in percent signs: decoded it could hold a line break.
    raw_path = scope.get("raw_path", scope["path"].encode()).decode("ascii", "backslashreplace")
    line = (
        f"{datetime.now().astimezone().isoformat(timespec='milliseconds')} {host} "
        f"{scope['method'][:_TOLD]} {raw_path[:_TOLD]} {status} ms={seconds * 1e3:.1f}"
    )
    if isinstance(usage, Usage):
        line += f" texts={usage.texts}"
        if usage.tokens is not None:
            line += f" tokens={usage.tokens}"
        if usage.truncated:
            line += f" truncated={usage.truncated}"
    return line
