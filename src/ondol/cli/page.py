"""The options of `ondol serve --ui`, and the page they describe."""

import argparse
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.cli.search import nearest_index
from ondol.errors import IndexNotFoundError

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from ondol.page.finding import OpenIndex
    from ondol.runtime.embedder import Embedder


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """--ui, and what it can show."""
    parser.add_argument(
        "--ui",
        action="store_true",
        help="serve a page too, at the server's address: search in an index, the model's numbers, "
        "and how text is segmented; for browsers of this machine alone, and without an API key",
    )
    parser.add_argument(
        "--db",
        metavar="FILE",
        help="with --ui: the index to search (default: the one that `ondol search` would take, if "
        "there is one)",
    )
    add_shown_options(parser, note="with --ui: ")


def add_shown_options(parser: argparse.ArgumentParser, *, note: str) -> None:
    """What the page shows besides. note: before the help of each."""
    parser.add_argument(
        "--full-tokenizer",
        metavar="FILE",
        type=Path,
        help=f"{note}tokenizer.json of the model before it was pruned, to compare how both segment "
        "a text",
    )
    parser.add_argument(
        "--bench",
        metavar="FILE",
        type=Path,
        help=f"{note}bench.json of an earlier `ondol bench --out DIR`, shown until the page "
        "measures anew",
    )


def check_page_options(args: argparse.Namespace, *, loopback: bool, api_key: str | None) -> None:
    """Leave with a usage error if the page's options do not fit each other or the server's."""
    if not args.ui:
        for name in ("db", "full_tokenizer", "bench"):
            if getattr(args, name) is not None:
                args.usage_error(f"--{name.replace('_', '-')} is shown by the page: give --ui too")
        return
    if not loopback:
        args.usage_error(
            f"--ui shows documents of this machine, and --host {args.host} lets others ask for "
            "them; leave --host out"
        )
    if api_key is not None:
        args.usage_error(
            "--ui and an API key exclude each other, as a browser has no key to send; leave "
            "--api-key out and ONDOL_API_KEY unset"
        )


def find_index(args: argparse.Namespace) -> Path | None:
    """The index that the page searches, and without --model its model as args.model."""
    from ondol.search.compatibility import recorded_bundle

    if args.db is not None:
        path = Path(args.db)
    else:
        try:
            path = nearest_index(Path.cwd())
        except IndexNotFoundError:
            return None
    if args.model is None:
        args.model = recorded_bundle(path)
    return path


def open_page(
    args: argparse.Namespace, path: Path | None, embedder: "Embedder", name: str, stack: ExitStack
) -> "list[BaseRoute]":
    """The page of a model. path: of the index. What is opened for it, `stack` closes."""
    from ondol.page.measuring import Measuring, earlier_report
    from ondol.page.opening import desktop_opener
    from ondol.page.routes import page_routes

    report = None if args.bench is None else earlier_report(args.bench, embedder.manifest)
    measuring = Measuring.of(embedder.path, threads=embedder.threads, report=report)
    return page_routes(
        embedder.path,
        embedder.manifest,
        name=name,
        variant=embedder.variant,
        measuring=stack.enter_context(closing(measuring)),
        opened=_open_index(path, embedder, stack),
        opener=desktop_opener(),
        full_tokenizer=args.full_tokenizer,
    )


def _open_index(path: Path | None, embedder: "Embedder", stack: ExitStack) -> "OpenIndex | None":
    from ondol.page.finding import OpenIndex
    from ondol.search import Index

    if path is None:
        return None
    return stack.enter_context(closing(OpenIndex(path, Index.open(path, embedder))))
