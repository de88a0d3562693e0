"""Errors in the form of the protocol whose path was asked for."""

from starlette.responses import JSONResponse, Response

from ondol.serve import ollama, openai, tei
from ondol.serve.request_errors import RequestError

#: Seconds after which a client should try again that was refused because too many others wait.
RETRY_AFTER = "1"


def error_response(path: str, error: RequestError) -> Response:
    """The response to a request for `path`."""
    if path.startswith(openai.PREFIX):
        content = openai.error_body(error)
    elif path.startswith(ollama.PREFIX):
        content = ollama.error_body(error)
    else:
        content = tei.error_body(error)
    headers = dict(error.headers)
    if error.status == 429:
        headers["Retry-After"] = RETRY_AFTER
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(content, status_code=error.status, headers=headers)
