"""`ondol app`: index a folder and search it in the browser."""

import argparse
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.cli import index, serve
from ondol.cli.options import add_model_options, new_parser
from ondol.cli.page import add_shown_options

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers

_DESCRIPTION = """\
Bring the index of a folder up to date as `ondol index` does, serve the page of `ondol serve --ui`
over it, and open that in the browser. Ctrl-C ends it.
"""

_EXAMPLES = """\
ondol app notes
ondol app notes --model path/to/bundle --no-browser
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "app",
        summary="index a folder and search it in the browser",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    index.add_folder_arguments(parser)
    add_model_options(parser)
    serve.add_port_option(parser)
    add_shown_options(parser, note="")
    parser.add_argument(
        "--no-browser",
        action="store_true",
        help="only print the page's address",
    )
    limits = serve.DEFAULT_LIMITS
    parser.set_defaults(
        run=run,
        quiet=False,
        ui=True,
        host=serve.DEFAULT_HOST,
        api_key=None,
        reranker=None,
        prompt="none",
        max_body=limits.body_bytes,
        max_texts=limits.texts,
        max_requests=limits.requests,
    )


def run(args: argparse.Namespace) -> int:
    """Index, then serve; ends as `ondol serve` does."""
    if args.db is None:
        args.db = str(Path(args.folder) / index.DEFAULT_NAME)
    index.run(args)
    return serve.run(args, announce=None if args.no_browser else _open_browser)


def _open_browser(url: str) -> None:
    # On a thread: a browser of the terminal returns only when it is left.
    threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()
