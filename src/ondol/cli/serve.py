"""`ondol serve`: the model over HTTP, for the clients that people have already."""

import argparse
import os
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.cli.options import add_model_options, new_parser, open_model, positive_int
from ondol.cli.page import add_page_options, check_page_options, find_index, open_page
from ondol.errors import MissingDependencyError
from ondol.serve.limits import Limits

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers
    from ondol.runtime.reranker import Reranker

#: The environment variable of the API key, which others of the machine cannot read as they can a
#: command line.
KEY_VARIABLE = "ONDOL_API_KEY"

#: Without --model.
_DEFAULT_NAME = "ondol"

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_LIMITS = Limits()

_DESCRIPTION = """\
Serve a model over HTTP until Ctrl-C or SIGTERM; what has come by then is still answered.

Clients of three protocols work unchanged, with this server's address:

  OpenAI                     POST /v1/embeddings, GET /v1/models
  Ollama                     POST /api/embed, /api/embeddings, GET /api/tags, /api/version
  Text Embeddings Inference  POST /embed, /rerank, GET /info
  Cohere, Jina               POST /v1/rerank

--ui adds a page for people, over an index that `ondol index` made; `ondol app FOLDER` does both.

GET /health, /metrics (Prometheus) and /openapi.json tell of the server itself. The name of the
model that a client asks for says which prompt its texts get: NAME:query, NAME:passage, NAME:none;
with a name without a colon it is that of --prompt. docs/server.md has an example for every client.

Only programs of this machine can reach it, unless --host says otherwise; then give it an API key.
Every request is a line on standard error, without texts and keys.
"""

_EXAMPLES = """\
ondol serve
ondol serve --model path/to/bundle --prompt passage --port 9000
ONDOL_API_KEY=secret ondol serve --host 0.0.0.0
ondol serve --ui --db notes/.ondol.sqlite3
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "serve",
        summary="serve a model over HTTP to clients of OpenAI, Ollama and TEI",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_model_options(parser)
    parser.add_argument(
        "--reranker",
        metavar="BUNDLE",
        help="bundle of a reranker, for /rerank and /v1/rerank (default: none, they answer 404)",
    )
    parser.add_argument(
        "--prompt",
        metavar="NAME",
        default="none",
        help="prompt for texts of clients that name none: query, passage, another name that "
        "`ondol info` lists, or none (default: none, texts are taken as they come)",
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        default=DEFAULT_HOST,
        help=f"address to listen on; 0.0.0.0 is every one of this machine (default: "
        f"{DEFAULT_HOST})",
    )
    add_port_option(parser)
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        help="key that requests must carry as `Authorization: Bearer KEY`, all but those to "
        f"/health; better given in the environment variable {KEY_VARIABLE}, which other users of "
        "the machine cannot see (default: none)",
    )
    parser.add_argument(
        "--max-body",
        metavar="BYTES",
        type=positive_int,
        default=DEFAULT_LIMITS.body_bytes,
        help="bytes of a request's body; more is answered with 413 (default: "
        f"{DEFAULT_LIMITS.body_bytes:,})",
    )
    parser.add_argument(
        "--max-texts",
        metavar="N",
        type=positive_int,
        default=DEFAULT_LIMITS.texts,
        help=f"texts of a request; more is answered with 413 (default: {DEFAULT_LIMITS.texts:,})",
    )
    parser.add_argument(
        "--max-requests",
        metavar="N",
        type=positive_int,
        default=DEFAULT_LIMITS.requests,
        help="requests that run or wait at once; more are answered with 429 (default: "
        f"{DEFAULT_LIMITS.requests:,})",
    )
    add_page_options(parser)
    parser.set_defaults(run=run)


def add_port_option(parser: argparse.ArgumentParser) -> None:
    """--port."""
    parser.add_argument(
        "--port",
        metavar="N",
        type=port_number,
        default=DEFAULT_PORT,
        help=f"port to listen on; 0 takes a free one (default: {DEFAULT_PORT})",
    )


def port_number(text: str) -> int:
    """An argparse type: 0 to 65,535."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, a whole number up to 65535")
    return int(text)


def run(args: argparse.Namespace, *, announce: Callable[[str], object] | None = None) -> int:
    """Serve. Raises SystemExit(0) after SIGTERM, KeyboardInterrupt after Ctrl-C.

    announce: gets the server's address as soon as it can be connected to.
    """
    try:
        from ondol.serve.app import create_app
        from ondol.serve.run_server import allowed_hosts, bind, run_server, url_of
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "`ondol serve`", error.name or "starlette", "server"
        ) from error
    from ondol.runtime.reports import TruncationWarning
    from ondol.serve.served_model import ServedModel
    from ondol.serve.token_ids import TokenIds

    key, hosts = _api_key(args), allowed_hosts(args.host)
    check_page_options(args, loopback=hosts is not None, api_key=key)
    index = find_index(args) if args.ui else None
    # The access log and /metrics count them.
    warnings.simplefilter("ignore", TruncationWarning)
    with ExitStack() as stack:
        # The address first: that it is taken shall show before a model is loaded.
        bound = stack.enter_context(bind(args.host, args.port))
        embedder = stack.enter_context(open_model(args))
        reranker = stack.enter_context(_open_reranker(args)) if args.reranker else None
        model = ServedModel.of(embedder, name=_name(args), default_prompt=args.prompt)
        app = create_app(
            embedder,
            model,
            token_ids=TokenIds(embedder.path / embedder.manifest.tokenizer.path),
            reranker=reranker,
            limits=Limits(
                body_bytes=args.max_body, texts=args.max_texts, requests=args.max_requests
            ),
            api_key=key,
            allowed_hosts=hosts,
            routes=open_page(args, index, embedder, model.name, stack) if args.ui else (),
        )
        if announce is not None:
            bound.listen()  # Who connects before the server runs is answered when it does.
            announce(url_of(bound))
        announcement = f"serving {model.name} ({model.variant}) on {url_of(bound)}"
        run_server(app, bound, announcement=announcement)
    return 0


def _api_key(args: argparse.Namespace) -> str | None:
    """Of the command line or else the environment; an empty one there is none."""
    if args.api_key is None:
        return os.environ.get(KEY_VARIABLE) or None
    if not args.api_key:
        args.usage_error("--api-key is empty; give a key, or leave the option out")
    return str(args.api_key)


def _open_reranker(args: argparse.Namespace) -> "Reranker":
    import ondol

    return ondol.Reranker(args.reranker, threads=args.threads)


def _name(args: argparse.Namespace) -> str:
    """A repository's name, or that of a directory."""
    if args.model is None:
        return _DEFAULT_NAME
    path = Path(args.model)
    return path.resolve().name if path.exists() else str(args.model)
