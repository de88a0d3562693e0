"""Why a request was not answered, before a protocol gives it its own form."""

from collections.abc import Mapping
from http import HTTPStatus


class RequestError(Exception):
    """A request that gets an error instead of a result.

    Args:
        status: of the response, from 400.
        message: for the person who wrote the client: what was expected, what came, what to do.
        headers: that its response has to carry.
    """

    def __init__(
        self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.headers = headers or {}
        self.status = status
        self.message = message


def invalid(message: str) -> RequestError:
    """400: the request itself is wrong."""
    return RequestError(HTTPStatus.BAD_REQUEST, message)
