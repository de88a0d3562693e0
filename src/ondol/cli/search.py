"""`ondol search`: find passages in an indexed folder."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ondol.cli.index import DEFAULT_NAME
from ondol.cli.options import add_model_options, new_parser, open_model, positive_int
from ondol.cli.table import emit
from ondol.errors import IndexNotFoundError

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers
    from ondol.runtime.reranker import Reranker
    from ondol.search.index import Hit

_DEFAULT_LIMIT = 10

_BOLD, _PLAIN = "\033[1m", "\033[0m"

_DESCRIPTION = """\
Find the passages of an indexed folder that fit a question or some words best.

Passages are ranked by meaning, with the model's vectors, and by words, with BM25 over pairs of
Korean syllables and stems of English words; both rankings are fused by reciprocal rank. Each hit
shows its file with line or page, the headings it stands under, and the part that fits.

The model has to be the one the index was made with. Without --model that is the bundle that
`ondol index` was given, if it still is where it was, else the one inside the package.
"""

_EXAMPLES = """\
ondol search "국내 여행지 추천"
ondol search "how are sessions closed" --db notes.sqlite3 --limit 3
ondol search "환불 규정" --json
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "search",
        summary="find passages in an indexed folder",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    parser.add_argument("text", metavar="TEXT", help="a question, or some words")
    parser.add_argument(
        "--db",
        metavar="FILE",
        help=f"the index (default: {DEFAULT_NAME} in this folder or the nearest one above it)",
    )
    parser.add_argument(
        "--limit",
        metavar="N",
        type=positive_int,
        default=_DEFAULT_LIMIT,
        help=f"the most hits (default: {_DEFAULT_LIMIT})",
    )
    parser.add_argument(
        "--rerank",
        metavar="BUNDLE",
        help="order the first 30 hits anew with the reranker in this bundle",
    )
    parser.add_argument("--json", action="store_true", help="print the hits as JSON")
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Search and print. Returns 0, also if nothing is found."""
    from ondol.search.compatibility import recorded_bundle
    from ondol.search.index import Index

    path = Path(args.db) if args.db is not None else nearest_index(Path.cwd())
    if args.model is None:
        args.model = recorded_bundle(path)
    with ExitStack() as stack:
        model = stack.enter_context(open_model(args))
        index = stack.enter_context(Index.open(path, model))
        reranker = stack.enter_context(open_reranker(args)) if args.rerank else None
        hits = index.search(args.text, args.limit, reranker=reranker)
    if args.json:
        found = {"query": args.text, "index": str(path), "hits": [_plain(hit) for hit in hits]}
        emit(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
        return 0
    bold = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    emit("\n".join(as_text(number, hit, bold=bold) for number, hit in enumerate(hits, 1)))
    if not hits:
        print(f"nothing is indexed in {path}", file=sys.stderr)
    return 0


def nearest_index(folder: Path) -> Path:
    """The default index of `folder` or of the nearest folder above that has one.

    Raises IndexNotFoundError if none has.
    """
    for place in (folder, *folder.parents):
        if (place / DEFAULT_NAME).is_file():
            return place / DEFAULT_NAME
    raise IndexNotFoundError(
        f"there is no {DEFAULT_NAME} in {folder} or above it; make one with `ondol index FOLDER`, "
        "or name an index with --db FILE"
    )


def open_reranker(args: argparse.Namespace) -> "Reranker":
    """The Reranker of --rerank."""
    import ondol

    return ondol.Reranker(args.rerank, threads=args.threads)


def as_text(number: int, hit: "Hit", *, bold: bool) -> str:
    """A hit for people: where it is, the headings above it, and the snippet. Ends its last line."""
    headings = f"  {' > '.join(hit.headings)}" if hit.headings else ""
    marked = _marked(hit.snippet, hit.highlights) if bold else hit.snippet
    return f"{number}  {hit.file}{_position(hit)}{headings}\n   {marked}\n"


def _position(hit: "Hit") -> str:
    """`:12-18` for lines, as compilers and editors write it, ` p. 3` for pages."""
    if hit.first is None:
        return ""
    numbers = f"{hit.first}" if hit.first == hit.last else f"{hit.first}-{hit.last}"
    return f" p. {numbers}" if hit.unit.value == "page" else f":{numbers}"


def _marked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in reversed(spans):
        text = f"{text[:start]}{_BOLD}{text[start:end]}{_PLAIN}{text[end:]}"
    return text


def _plain(hit: "Hit") -> dict[str, Any]:
    return asdict(hit) | {"path": str(hit.path), "unit": hit.unit.value}
