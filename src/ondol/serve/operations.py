"""What a server says about itself: GET /health, /metrics, /openapi.json."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ondol.serve.endpoint import Endpoint
from ondol.serve.metrics import Metrics
from ondol.serve.openapi import document

#: Answered without a key, for whoever watches whether the server runs.
HEALTH = "/health"

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def endpoints(metrics: Metrics, others: Sequence[Endpoint]) -> list[Endpoint]:
    """All of them. others: those of the protocols, to be described."""

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def exposition(request: Request) -> Response:
        return Response(metrics.exposition(), headers={"content-type": _PROMETHEUS})

    async def openapi(request: Request) -> Response:
        return JSONResponse(document([*others, *own]))

    own = [
        Endpoint("GET", HEALTH, health, "200 while the server takes requests"),
        Endpoint("GET", "/metrics", exposition, "Metrics for Prometheus", media_type="text/plain"),
        Endpoint("GET", "/openapi.json", openapi, "This document"),
    ]
    return own
