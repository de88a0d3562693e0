"""Who may ask, and how many at once: decided before anything of a body is read."""

import hmac
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ondol.serve.limits import Limits
from ondol.serve.metrics import Metrics
from ondol.serve.operations import HEALTH
from ondol.serve.request_errors import RequestError
from ondol.serve.shapes import error_response


class Gate:
    """Lets a request through, or answers it.

    Args:
        api_key: that "Authorization: Bearer …" must carry, for everything but /health; None asks
            for none.
    """

    def __init__(
        self, app: ASGIApp, *, api_key: str | None, limits: Limits, metrics: Metrics
    ) -> None:
        self._app = app
        self._api_key = api_key
        self._limits = limits
        self._metrics = metrics
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except RequestError as error:
            await error_response(scope["path"], error)(scope, receive, send)
            return
        if scope["method"] != "POST":  # costs no work: health and metrics work under load too
            await self._app(scope, receive, send)
            return
        self._inside += 1
        self._metrics.in_progress.inc()
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1
            self._metrics.in_progress.dec()

    def _check(self, scope: Scope) -> None:
        """Raises RequestError: 401, 403 or 429."""
        headers = Headers(scope=scope)
        if self._api_key is not None and scope["path"] != HEALTH:
            self._check_key(headers.get("authorization", ""), self._api_key)
        if scope["method"] != "POST":
            return
        # A browser names the page that sends a POST. Another site's page cannot read the answer,
        # but it could keep the processor busy.
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != headers.get("host"):
            raise RequestError(
                HTTPStatus.FORBIDDEN, "requests from pages of other sites are not answered"
            )
        if self._inside >= self._limits.requests:
            raise RequestError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{self._inside} requests are being worked on already; try again later",
            )

    @staticmethod
    def _check_key(authorization: str, api_key: str) -> None:
        scheme, _, given = authorization.partition(" ")
        # In constant time: the time must not tell how much of a guess was right.
        # Headers are read as Latin-1, whatever they are.
        same = hmac.compare_digest(given.strip(" ").encode("latin-1"), api_key.encode())
        if scheme.lower() != "bearer" or not same:
            raise RequestError(
                HTTPStatus.UNAUTHORIZED,
                "the API key is missing or wrong; send the header 'Authorization: Bearer KEY'",
            )
