"""POST /v1/rerank, the form that Cohere's and Jina's clients share.

https://docs.cohere.com/v1/reference/rerank, https://api.jina.ai/redoc
"""

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ondol.serve.bodies import Body, read_body
from ondol.serve.endpoint import Endpoint
from ondol.serve.service import Service


class Document(Body):
    """A text with a name around it."""

    text: str = Field(description="a text")


class RerankBody(Body):
    """Of POST /v1/rerank."""

    model: str | None = Field(default=None, description="the name of a model")
    query: str = Field(description="a text")
    documents: list[str | Document] = Field(
        description='a list of texts, or of objects {"text": …}'
    )
    top_n: int | None = Field(default=None, ge=1, description="a whole number from 1")
    return_documents: bool = Field(default=False, description="true or false")


def endpoints(service: Service) -> list[Endpoint]:
    """The one there is."""

    async def rerank(request: Request) -> Response:
        body = await read_body(request, RerankBody, service.limits)
        texts = [one if isinstance(one, str) else one.text for one in body.documents]
        scores = await service.score(request, body.query, texts)
        ranked = sorted(enumerate(scores), key=lambda pair: -pair[1])[: body.top_n]
        results = [
            {"index": index, "relevance_score": score}
            | ({"document": {"text": texts[index]}} if body.return_documents else {})
            for index, score in ranked
        ]
        return JSONResponse({"model": body.model, "results": results})

    return [
        Endpoint("POST", "/v1/rerank", rerank, "Cohere, Jina: order texts by a query", RerankBody),
    ]
