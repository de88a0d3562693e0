"""Ollama's embeddings, and what its clients ask about a server.

https://github.com/ollama/ollama/blob/main/docs/api.md
"""

import time
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import ondol
from ondol.serve.bodies import Body, read_body
from ondol.serve.endpoint import Endpoint
from ondol.serve.request_errors import RequestError
from ondol.serve.responses import ArrayResponse
from ondol.serve.service import Service

PREFIX = "/api/"


def error_body(error: RequestError) -> dict[str, Any]:
    """As Ollama's clients expect an error."""
    return {"error": error.message}


class EmbedBody(Body):
    """Of POST /api/embed. Options and keep_alive mean nothing here and are ignored."""

    model: str | None = Field(default=None, description="the name of a model")
    input: str | list[str] = Field(description="a text or a list of texts")
    truncate: bool = Field(default=True, description="true or false")
    dimensions: int | None = Field(default=None, description="a whole number from 1")


class EmbeddingsBody(Body):
    """Of POST /api/embeddings, which /api/embed has replaced."""

    model: str | None = Field(default=None, description="the name of a model")
    prompt: str = Field(description="a text")


def endpoints(service: Service) -> list[Endpoint]:
    """All of them."""
    model = service.model

    async def embed(request: Request) -> Response:
        started = time.perf_counter_ns()
        body = await read_body(request, EmbedBody, service.limits)
        prompt = model.prompt(model=body.model, prompt_name=None)
        found = await service.embed(
            request,
            await service.texts_of(body.input),
            prompt=prompt,
            # Its client sends 0 where no number was chosen.
            dimension=body.dimensions or None,
            truncate=body.truncate,
        )
        return ArrayResponse(
            {
                "model": body.model or model.name,
                "embeddings": found.vectors,
                "total_duration": time.perf_counter_ns() - started,
                "load_duration": 0,
                "prompt_eval_count": found.tokens,
            }
        )

    async def embeddings(request: Request) -> Response:
        body = await read_body(request, EmbeddingsBody, service.limits)
        prompt = model.prompt(model=body.model, prompt_name=None)
        found = await service.embed(request, [body.prompt], prompt=prompt)
        return ArrayResponse({"embedding": found.vectors[0]})

    async def tags(request: Request) -> Response:
        details = {
            "format": model.variant.partition("-")[0],
            "family": model.family,
            "families": [model.family],
            "parameter_size": "",
            "quantization_level": model.variant.partition("-")[2],
        }
        models = [
            {
                "name": name,
                "model": name,
                "modified_at": model.loaded_at.isoformat(),
                "size": model.bytes,
                "digest": model.sha256,
                "details": details,
            }
            for name in (f"{model.name}:latest", *model.names[1:])
        ]
        return JSONResponse({"models": models})

    async def version(request: Request) -> Response:
        return JSONResponse({"version": ondol.__version__})

    return [
        Endpoint("POST", "/api/embed", embed, "Ollama: embed texts", EmbedBody),
        Endpoint("POST", "/api/embeddings", embeddings, "Ollama: embed a text", EmbeddingsBody),
        Endpoint("GET", "/api/tags", tags, "Ollama: the model, once for each of its prompts"),
        Endpoint("GET", "/api/version", version, "Ollama: the version of ondol"),
    ]
