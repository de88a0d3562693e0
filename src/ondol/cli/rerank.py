"""`ondol rerank`: documents in the order in which they answer a query."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ondol.cli.inputs import Source, from_arguments, from_file, from_stdin
from ondol.cli.options import (
    add_engine_option,
    add_threads_option,
    new_parser,
    positive_int,
    variant_name,
)
from ondol.cli.table import emit

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers

_DESCRIPTION = """\
Put documents into the order in which they answer a query, best first.

Documents are the arguments after the query, or come from --input, or, with neither, from standard
input, one per line. Each becomes one line: the score, the number of the document (counted from 0)
and its beginning; with --json, JSON Lines: {"corpus_id": 0, "score": 0.98, "text": "…"}.

--model has to name a reranker's bundle, as `ondol build` makes it of bge-reranker-v2-m3 and its
like; there is none inside the package.
"""

_EXAMPLES = """\
ondol rerank --model bge-reranker "온돌이란?" "온돌은 바닥을 데운다." "오늘은 비가 온다."
ondol rerank --model bge-reranker "온돌이란?" --input passages.txt --top-k 10 --json
"""

#: Characters of a document that a line for people shows.
_SHOWN_CHARACTERS = 80


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "rerank",
        summary="put documents into the order in which they answer a query",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    parser.add_argument("query", metavar="QUERY", help="the question")
    parser.add_argument("documents", metavar="DOCUMENT", nargs="*", help="a text to judge")
    parser.add_argument(
        "--model",
        metavar="BUNDLE",
        required=True,
        help="directory of a reranker's bundle, or a hub id ORGANISATION/NAME",
    )
    parser.add_argument(
        "--variant",
        metavar="NAME",
        type=variant_name,
        help="variant of the bundle (default: the fastest one whose engine is installed)",
    )
    add_engine_option(parser)
    add_threads_option(parser)
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="read the documents from FILE, in the formats of `ondol embed`; - is standard input",
    )
    parser.add_argument(
        "--column",
        metavar="NAME",
        default="text",
        help="field or column that holds the text, in jsonl, csv, tsv and parquet (default: text)",
    )
    parser.add_argument(
        "--top-k", metavar="N", type=positive_int, help="print the best N only (default: all)"
    )
    parser.add_argument(
        "--max-length",
        metavar="N",
        type=positive_int,
        help="cut pairs to N tokens, if the model takes more (default: as many as it takes)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON Lines with whole texts")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Rank and print. Returns 0."""
    from ondol.runtime.reranker import Reranker

    # All of them are needed before the first can be printed.
    items = list(_source(args).items)
    documents = [item.text for item in items]
    with Reranker(
        args.model,
        variant=args.variant.value if args.variant else None,
        engine=args.engine.value if args.engine else None,
        threads=args.threads,
        max_length=args.max_length,
    ) as model:
        results = model.rank(
            args.query,
            documents,
            args.top_k,
            return_documents=True,
            show_progress_bar=sys.stderr.isatty(),
        )
    for result in results:
        emit(_line(result, as_json=args.json))
    return 0


def _source(args: argparse.Namespace) -> Source:
    if args.documents and args.input is not None:
        args.usage_error("DOCUMENT and --input exclude each other")
    if args.input is not None and args.input != "-":
        return from_file(Path(args.input), args.column)
    if args.documents:
        return from_arguments(args.documents)
    if args.input is None and sys.stdin.isatty():
        args.usage_error("nothing to rank: give a DOCUMENT, --input FILE, or pipe lines in")
    return from_stdin()


def _line(result: dict[str, Any], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(result, ensure_ascii=False) + "\n"
    text = " ".join(result["text"].split())
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
    return f"{result['score']:.4f}  {result['corpus_id']:>5}  {shown}\n"
