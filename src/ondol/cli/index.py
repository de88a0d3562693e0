"""`ondol index`: make the documents of a folder searchable, or bring their index up to date."""

import argparse
import sys
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.cli.options import add_model_options, new_parser, open_model
from ondol.cli.table import counted
from ondol.errors import IndexNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ondol.cli.options import Subparsers
    from ondol.search.indexing import Progress, UpdateReport

#: The index of a folder, inside it. A hidden name, so that it is not a document itself.
DEFAULT_NAME = ".ondol.sqlite3"

#: Kinds of other files that the summary names, of all it counts.
_NAMED_SUFFIXES = 5

_DESCRIPTION = """\
Make the documents of a folder searchable with `ondol search`, or bring their index up to date.

Read are plain text, Markdown, HTML, PDF and DOCX, and source code and configuration, in UTF-8,
UTF-16 with a mark, or CP949. They are split into passages of at most 256 tokens by headings,
paragraphs and sentences, and stored with a vector each in one SQLite file.

Left out are hidden files and folders, what a .gitignore leaves out, symbolic links, text of more
than 10 MB, and PDF and DOCX of more than 100 MB. The summary says which files gave no text, and
why.

A second run embeds only files that are new or whose content has changed, and takes out those that
are gone; without --model it takes the bundle that the index was made with. A run that was stopped
or killed goes on where it was, and what it has stored can be searched meanwhile.
"""

_EXAMPLES = """\
ondol index notes
ondol index notes --db notes.sqlite3 --model path/to/bundle
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "index",
        summary="make the documents of a folder searchable",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_folder_arguments(parser)
    add_model_options(parser)
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="no progress and no summary on standard error",
    )
    parser.set_defaults(run=run)


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """FOLDER and --db."""
    parser.add_argument("folder", metavar="FOLDER", help="the folder to index, with all below it")
    parser.add_argument(
        "--db",
        metavar="FILE",
        help=f"the index (default: {DEFAULT_NAME} in FOLDER, where `ondol search` finds it)",
    )


def run(args: argparse.Namespace) -> int:
    """Index and report. Returns 0."""
    from ondol.search.compatibility import recorded_bundle
    from ondol.search.indexing import update

    folder = Path(args.folder)
    path = Path(args.db) if args.db is not None else folder / DEFAULT_NAME
    if args.model is None:
        with suppress(IndexNotFoundError):
            args.model = recorded_bundle(path)
    with ExitStack() as stack:
        model = stack.enter_context(open_model(args))
        shown = not args.quiet and sys.stderr.isatty()
        report = update(
            path,
            folder,
            model,
            bundle=_absolute(args.model),
            report_progress=_bar(stack, shown=shown),
        )
    if not args.quiet:
        sys.stderr.write(summary(report, path))
    return 0


def _absolute(bundle: str | None) -> str | None:
    """A directory wherever the next command runs; a hub id as it is."""
    return str(Path(bundle).resolve()) if bundle is not None and Path(bundle).is_dir() else bundle


def _bar(stack: ExitStack, *, shown: bool) -> "Callable[[Progress], None]":
    """A bar over bytes, which begins when it is known how many there are."""
    from ondol.runtime.progress import progress_bar

    done = 0
    move: Callable[[int], object] | None = None

    def report(progress: "Progress") -> None:
        nonlocal done, move
        if move is None:
            bar = progress_bar(
                shown=shown,
                total=progress.total,
                unit="B",
                unit_scale=True,
                leave=False,
                file=sys.stderr,
            )
            move = stack.enter_context(bar)
        move(progress.done - done)
        done = progress.done

    return report


def summary(report: "UpdateReport", path: Path) -> str:
    """What was done and what was left out, in lines."""
    lines = [
        f"{counted(report.indexed, 'file')} indexed, {report.unchanged:,} unchanged, "
        f"{report.removed:,} removed; {counted(report.passages, 'passage')} embedded in "
        f"{report.seconds:.1f} s ({report.passages / max(report.seconds, 1e-9):.0f}/s): {path}"
    ]
    lines += [
        f"skipped: {counted(number, 'file')}: {reason} ({report.examples[reason]}"
        f"{', …' if number > 1 else ''})"
        for reason, number in report.skipped.most_common()
    ]
    if report.other:
        lines.append(
            f"not read: {counted(report.other.total(), 'file')} of other kinds "
            f"({_suffixes(report.other)})"
        )
    return "".join(f"{line}\n" for line in lines)


def _suffixes(other: Counter[str]) -> str:
    named = [
        f"{suffix or 'no suffix'} {number:,}"
        for suffix, number in other.most_common(_NAMED_SUFFIXES)
    ]
    return ", ".join(named + ["…"] * (len(other) > _NAMED_SUFFIXES))
