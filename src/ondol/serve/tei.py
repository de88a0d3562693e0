"""The endpoints of Hugging Face's Text Embeddings Inference.

https://huggingface.github.io/text-embeddings-inference/
"""

from http import HTTPStatus
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import ondol
from ondol.serve.bodies import Body, read_body
from ondol.serve.endpoint import Endpoint
from ondol.serve.request_errors import RequestError, invalid
from ondol.serve.responses import ArrayResponse
from ondol.serve.service import BATCH_TOKENS, Service

#: Its error types by status; a wrong request is Validation.
_ERROR_TYPES = {
    HTTPStatus.TOO_MANY_REQUESTS: "Overloaded",
    HTTPStatus.SERVICE_UNAVAILABLE: "Unhealthy",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Backend",
}


def error_body(error: RequestError) -> dict[str, Any]:
    """As its clients expect an error."""
    return {
        "error": error.message,
        "error_type": _ERROR_TYPES.get(error.status, "Validation"),
    }


class EmbedBody(Body):
    """Of POST /embed."""

    inputs: str | list[str] | list[int] | list[list[int]] = Field(
        description="a text, a list of texts, a list of token ids, or a list of such lists"
    )
    normalize: bool = Field(default=True, description="true or false")
    prompt_name: str | None = Field(default=None, description="the name of a prompt")
    truncate: bool | None = Field(default=None, description="true or false")
    truncation_direction: Literal["Right", "right"] = Field(
        default="Right", description="'Right': texts are cut at their end alone"
    )
    dimensions: int | None = Field(default=None, description="a whole number from 1")


class RerankBody(Body):
    """Of POST /rerank."""

    query: str = Field(description="a text")
    texts: list[str] = Field(description="a list of texts")
    raw_scores: bool = Field(default=False, description="true or false")
    return_text: bool = Field(default=False, description="true or false")


def endpoints(service: Service) -> list[Endpoint]:
    """All of them."""
    model = service.model

    async def embed(request: Request) -> Response:
        body = await read_body(request, EmbedBody, service.limits)
        if model.normalized and not body.normalize:
            raise invalid("normalize is false, but vectors of this model always have norm 1")
        prompt = model.prompt(model=None, prompt_name=body.prompt_name)
        texts = await service.texts_of(body.inputs)
        if not texts:
            raise invalid("inputs is an empty list; expected at least one text")
        found = await service.embed(
            request,
            texts,
            prompt=prompt,
            dimension=body.dimensions,
            normalize=body.normalize,
            truncate=body.truncate is not False,
        )
        return ArrayResponse(found.vectors)

    async def rerank(request: Request) -> Response:
        body = await read_body(request, RerankBody, service.limits)
        if body.raw_scores:
            raise invalid("raw_scores is true, but scores are from 0 to 1 always; leave it out")
        scores = await service.score(request, body.query, body.texts)
        ranked = sorted(enumerate(scores), key=lambda pair: -pair[1])
        return JSONResponse(
            [
                {"index": index, "score": score}
                | ({"text": body.texts[index]} if body.return_text else {})
                for index, score in ranked
            ]
        )

    async def info(request: Request) -> Response:
        return JSONResponse(
            {
                "model_id": model.name,
                "model_sha": model.sha256,
                "model_dtype": model.variant.partition("-")[2],
                "model_type": {"embedding": {"pooling": model.pooling}},
                "max_concurrent_requests": service.limits.requests,
                "max_input_length": model.max_tokens,
                "max_batch_tokens": BATCH_TOKENS,
                "max_batch_requests": None,
                "max_client_batch_size": service.limits.texts,
                "auto_truncate": True,
                "tokenization_workers": 1,
                "version": ondol.__version__,
                "sha": None,
                "docker_label": None,
            }
        )

    return [
        # InferenceClient(model=URL) posts to the URL itself, without a path.
        Endpoint("POST", "/", embed, "TEI: embed texts", EmbedBody),
        Endpoint("POST", "/embed", embed, "TEI: embed texts", EmbedBody),
        Endpoint("POST", "/rerank", rerank, "TEI: order texts by a query", RerankBody),
        Endpoint("GET", "/info", info, "TEI: model and limits"),
    ]
