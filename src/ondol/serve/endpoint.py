"""A path with everything that is said about it: the route and its description come of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ondol.serve.bodies import Body


@dataclass(frozen=True)
class Endpoint:
    """What one path does for one method.

    Attributes:
        method: "GET" or "POST".
        path: as Starlette writes it.
        answer: from the request to its response.
        summary: one line, for the OpenAPI document.
        body: of a POST.
        media_type: of the response.
    """

    method: str
    path: str
    answer: Callable[[Request], Awaitable[Response]]
    summary: str
    body: type[Body] | None = None
    media_type: str = "application/json"

    def route(self) -> Route:
        return Route(self.path, self.answer, methods=[self.method])
