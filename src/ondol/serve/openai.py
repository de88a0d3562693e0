"""OpenAI's embeddings: POST /v1/embeddings, GET /v1/models.

https://platform.openai.com/docs/api-reference/embeddings
"""

import base64
from http import HTTPStatus
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ondol.serve.bodies import Body, read_body
from ondol.serve.endpoint import Endpoint
from ondol.serve.request_errors import RequestError, invalid
from ondol.serve.responses import ArrayResponse
from ondol.serve.service import Service

PREFIX = "/v1/"

#: Types and codes of OpenAI's own errors: https://platform.openai.com/docs/guides/error-codes
_CODES = {
    HTTPStatus.UNAUTHORIZED: "invalid_api_key",
    HTTPStatus.NOT_FOUND: "model_not_found",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_exceeded",
}


def error_body(error: RequestError) -> dict[str, Any]:
    """As OpenAI's clients expect an error."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    content = {
        "message": error.message,
        "type": kind,
        "param": None,
        "code": _CODES.get(error.status),
    }
    return {"error": content}


class EmbeddingsBody(Body):
    """Of POST /v1/embeddings. prompt_name is ours: OpenAI's models have no prompts."""

    input: str | list[str] | list[int] | list[list[int]] = Field(
        description="a text, a list of texts, a list of token ids, or a list of such lists"
    )
    model: str | None = Field(default=None, description="the name of a model")
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="'float' or 'base64'"
    )
    dimensions: int | None = Field(default=None, description="a whole number from 1")
    prompt_name: str | None = Field(default=None, description="the name of a prompt")


def endpoints(service: Service) -> list[Endpoint]:
    """All of them."""
    model = service.model

    async def embeddings(request: Request) -> Response:
        body = await read_body(request, EmbeddingsBody, service.limits)
        prompt = model.prompt(model=body.model, prompt_name=body.prompt_name)
        texts = await service.texts_of(body.input)
        if not texts:
            raise invalid("input is an empty list; expected at least one text")
        found = await service.embed(request, texts, prompt=prompt, dimension=body.dimensions)
        encode = _as_base64 if body.encoding_format == "base64" else _as_numbers
        data = [
            {"object": "embedding", "index": index, "embedding": encode(vector)}
            for index, vector in enumerate(found.vectors)
        ]
        usage = {"prompt_tokens": found.tokens, "total_tokens": found.tokens}
        return ArrayResponse({"object": "list", "data": data, "model": model.name, "usage": usage})

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_card(name) for name in model.names]})

    async def one_model(request: Request) -> Response:
        name = request.path_params["model"]
        if name not in model.names:
            known = ", ".join(model.names)
            raise RequestError(
                HTTPStatus.NOT_FOUND, f"there is no model {name!r}; expected one of {known}"
            )
        return JSONResponse(_card(name))

    def _card(name: str) -> dict[str, Any]:
        created = int(model.loaded_at.timestamp())
        return {"id": name, "object": "model", "created": created, "owned_by": "ondol"}

    return [
        Endpoint("POST", "/v1/embeddings", embeddings, "OpenAI: embed texts", EmbeddingsBody),
        Endpoint("GET", "/v1/models", models, "OpenAI: the model, once for each of its prompts"),
        Endpoint("GET", "/v1/models/{model:path}", one_model, "OpenAI: one model"),
    ]


def _as_numbers(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector


def _as_base64(vector: NDArray[np.float32]) -> str:
    """The bytes of the numbers, little-endian float32, as OpenAI's client reads them."""
    return base64.b64encode(vector.astype("<f4", copy=False).tobytes()).decode("ascii")
