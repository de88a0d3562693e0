"""Bodies of requests: read within their limits, and checked."""

import asyncio
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from ondol.serve.limits import Limits
from ondol.serve.request_errors import RequestError, invalid

#: Of what is wrong with a body, the errors that a message names.
_NAMED_ERRORS = 3

#: Of a Content-Length that are looked at: more than any limit has.
_DIGITS = 20


class Body(BaseModel):
    """Base of all bodies: fields that are not known are ignored, no type is converted."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


AnyBody = TypeVar("AnyBody", bound=Body)


async def read_body(request: Request, kind: type[AnyBody], limits: Limits) -> AnyBody:
    """The body of a request, which is JSON whatever its content type says, as curl sends it.

    Raises RequestError: 413 as soon as it is known to be larger than it may be, 408 if it does not
    arrive in time, 400 if it is not what `kind` describes.
    """
    too_large = RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body is larger than {limits.body_bytes:,} bytes; send fewer texts in one request",
    )
    declared = request.headers.get("content-length", "")
    # Python refuses to read numbers of thousands of digits.
    if declared.isdecimal() and int(declared[:_DIGITS]) > limits.body_bytes:
        raise too_large
    content = bytearray()
    loop = asyncio.get_running_loop()
    start = loop.time()
    try:
        async with asyncio.timeout(limits.seconds_for(0)) as deadline:
            async for chunk in request.stream():
                content += chunk
                if len(content) > limits.body_bytes:
                    raise too_large
                deadline.reschedule(start + limits.seconds_for(len(content)))
    except TimeoutError as error:
        raise RequestError(
            HTTPStatus.REQUEST_TIMEOUT,
            f"only {len(content):,} bytes of the body arrived within "
            f"{loop.time() - start:.1f} seconds; a body may take {limits.body_seconds:g} seconds, "
            f"and {limits.grace_seconds:g} if it is slower than {limits.bytes_per_second:,} bytes "
            "per second",
        ) from error
    try:
        return kind.model_validate_json(bytes(content))
    except ValidationError as error:
        raise invalid(_describe(kind, error)) from error


def _describe(kind: type[Body], error: ValidationError) -> str:
    """One sentence for each field with an error. Values stay out of it: they may be private."""
    messages: dict[str, str] = {}
    for found in error.errors(include_url=False, include_input=False, include_context=False):
        field = str(found["loc"][0]) if found["loc"] else ""
        expected = kind.model_fields[field].description if field in kind.model_fields else None
        place = ".".join(map(str, found["loc"])) or "the body"
        if expected is not None and found["type"] != "missing":
            message = f"{field}: expected {expected}"
        else:
            message = f"{place}: {found['msg'][0].lower()}{found['msg'][1:]}"
        messages.setdefault(field, message)
    return "; ".join(list(messages.values())[:_NAMED_ERRORS])
