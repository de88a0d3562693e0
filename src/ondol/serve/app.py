"""The whole application: endpoints, and what stands around them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from ondol.errors import ClosedError, InputError, OndolError
from ondol.serve import ollama, openai, operations, rerank, tei
from ondol.serve.access_log import AccessLog
from ondol.serve.gate import Gate
from ondol.serve.limits import Limits
from ondol.serve.metrics import Metrics
from ondol.serve.request_errors import RequestError
from ondol.serve.served_model import PairScorer, ServedModel, TextEmbedder
from ondol.serve.service import Service
from ondol.serve.shapes import error_response
from ondol.serve.token_ids import TokenIds

#: What nginx logs for a client that went away before its response.
_CLIENT_CLOSED_REQUEST = 499


def create_app(
    embedder: TextEmbedder,
    model: ServedModel,
    *,
    token_ids: TokenIds | None = None,
    reranker: PairScorer | None = None,
    limits: Limits | None = None,
    api_key: str | None = None,
    allowed_hosts: Sequence[str] | None = None,
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """An ASGI application that serves one model.

    Args:
        embedder: the model itself; whoever opened it closes it.
        model: its names and facts.
        token_ids: for texts that come as token ids; None refuses them.
        reranker: None answers 404 to requests to rerank.
        limits: None takes the defaults.
        api_key: that every request but those to /health must carry; None asks for none.
        allowed_hosts: names that the Host header may have; None allows all. Where only programs of
            this machine may ask, it keeps out web pages whose host name was made to lead here
            (DNS rebinding).
        routes: more of them, behind the same gate and log, for instance of a page.
    """
    metrics = Metrics()
    bounds = Limits() if limits is None else limits
    service = Service(
        embedder,
        model,
        token_ids=token_ids,
        reranker=reranker,
        limits=bounds,
        metrics=metrics,
    )
    protocols = [
        endpoint
        for protocol in (openai, rerank, ollama, tei)
        for endpoint in protocol.endpoints(service)
    ]
    endpoints = [*protocols, *operations.endpoints(metrics, protocols)]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.close()

    middleware = [
        Middleware(AccessLog, metrics=metrics, paths=[endpoint.path for endpoint in endpoints]),
        Middleware(Gate, api_key=api_key, limits=bounds, metrics=metrics),
    ]
    if allowed_hosts is not None:
        trusted = Middleware(
            TrustedHostMiddleware, allowed_hosts=list(allowed_hosts), www_redirect=False
        )
        middleware.insert(1, trusted)
    return Starlette(
        routes=[*(endpoint.route() for endpoint in endpoints), *routes],
        middleware=middleware,
        exception_handlers={
            RequestError: _answer,
            OndolError: _answer,
            HTTPException: _answer,
            ClientDisconnect: _answer,
            Exception: _answer,
        },
        lifespan=lifespan,
    )


async def _answer(request: Request, error: Exception) -> Response:
    if isinstance(error, ClientDisconnect):
        return Response(status_code=_CLIENT_CLOSED_REQUEST)  # for the log; nobody reads it
    return error_response(request.url.path, _as_request_error(error))


def _as_request_error(error: Exception) -> RequestError:
    if isinstance(error, RequestError):
        return error
    if isinstance(error, HTTPException):
        return RequestError(HTTPStatus(error.status_code), error.detail, error.headers)
    if isinstance(error, InputError):
        return RequestError(HTTPStatus.BAD_REQUEST, str(error))
    if isinstance(error, ClosedError):
        return RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "the server is stopping")
    if isinstance(error, OndolError):
        return RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
    # Its message may hold anything; the server's log has it.
    return RequestError(
        HTTPStatus.INTERNAL_SERVER_ERROR, "an error of the server itself; see its log"
    )
