"""`ondol embed`: texts in, vectors out, in windows of bounded size."""

import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.cli.inputs import Item, Source, from_arguments, from_file, from_stdin
from ondol.cli.options import add_model_options, new_parser, open_model, positive_int
from ondol.cli.outputs import OutputFormat, Writer, open_output
from ondol.cli.table import counted
from ondol.errors import InputError, NumericalError
from ondol.precision import Precision
from ondol.prompts import choose_prompt

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers
    from ondol.runtime.embedder import Embedder

#: Texts that are read, embedded and written together; bounds the memory of a run of any length.
WINDOW = 1024

#: Places that a report names, of all it counts.
_NAMED_PLACES = 5

DEFAULT_COLUMN = "text"

_DESCRIPTION = """\
Turn texts into vectors.

Texts are the arguments, or come from --input, or, with neither, from standard input, one per
line; "-" as the only argument reads standard input too. Every line is one text and gives one
vector, an empty line too. A file of any length is worked through in bounded memory.

Without --out, the result is JSON Lines on standard output: {"text": "…", "embedding": [0.1, …]}.
A file given with --out appears only when it is complete.

The model expects a prompt before every text. `query` is meant for questions and for comparing
texts of the same kind; use `passage` for the documents that will be searched, and `none` if the
texts begin with their prompt already.
"""

_EXAMPLES = """\
ondol embed "안녕하세요" "good morning"
ondol embed --prompt passage --input documents.jsonl --column body --out documents.parquet
cut -f 2 notes.tsv | ondol embed --out notes.npy
ondol embed --precision ubinary --input documents.txt --out bits.npy
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "embed",
        summary="turn texts into vectors",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    parser.add_argument("texts", metavar="TEXT", nargs="*", help="a text to embed")
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="read the texts from FILE: .txt or no suffix (one per line), .jsonl or .ndjson, .csv "
        "or .tsv (with a header line), each with or without .gz, or .parquet; - is standard input",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write to FILE instead of standard output: .npy (the vectors alone), .jsonl or "
        ".parquet; an existing file is replaced",
    )
    parser.add_argument(
        "--column",
        metavar="NAME",
        default=DEFAULT_COLUMN,
        help=f"field or column that holds the text, in jsonl, csv, tsv and parquet (default: "
        f"{DEFAULT_COLUMN})",
    )
    add_model_options(parser)
    parser.add_argument(
        "--prompt",
        metavar="NAME",
        help="prompt to put before every text: query, passage, another name that `ondol info` "
        "lists, or none (default: query, or none if the bundle has no prompt of that name)",
    )
    parser.add_argument(
        "--normalize",
        choices=("NFC", "NFKC"),
        help="bring every text into this Unicode form first; NFC composes Korean that is stored "
        "letter by letter, as in macOS file names (default: take texts as they are)",
    )
    parser.add_argument(
        "--truncate-dim",
        metavar="N",
        type=positive_int,
        help="keep the first N elements of every vector, and scale it to norm 1 again if the model "
        "does so (default: all)",
    )
    parser.add_argument(
        "--precision",
        choices=[precision.value for precision in Precision],
        default=Precision.FLOAT32.value,
        help="numbers of the vectors: int8 and uint8 take a byte per element, binary and ubinary a "
        "bit, eight to an int8 or uint8; what that costs is in docs/output.md (default: float32)",
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="no progress and no summary on standard error; warnings stay",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Embed what the arguments name. Returns 0."""
    source = _source(args)
    out = _out(args)
    precision = Precision.parse(args.precision)
    started = time.monotonic()
    with open_model(args) as model:
        prompt = choose_prompt(args.prompt, model.prompts, default=("query",))
        columns = precision.columns(model.dimension)
        with open_output(out, columns=columns, dtype=precision.dtype) as writer:
            report = embed_stream(
                model, source, writer, prompt=prompt, precision=precision, quiet=args.quiet
            )
        for line in report.warnings(source, model, prompt):
            print(f"ondol: warning: {line}", file=sys.stderr)
        if not args.quiet:
            seconds = time.monotonic() - started
            with_prompt = f"prompt {prompt!r}" if prompt else "no prompt"
            form = "" if precision is Precision.FLOAT32 else f" as {precision}"
            print(
                f"{counted(report.texts, 'text')}, {model.dimension} dimensions{form}, "
                f"{model.variant}, {with_prompt}, {seconds:.1f} s",
                file=sys.stderr,
            )
    return 0


def _source(args: argparse.Namespace) -> Source:
    if args.texts and args.input is not None:
        args.usage_error("TEXT and --input exclude each other")
    if args.input is not None and args.input != "-":
        return from_file(Path(args.input), args.column)
    if args.texts and args.texts != ["-"]:
        return from_arguments(args.texts)
    if not args.texts and args.input is None and sys.stdin.isatty():
        args.usage_error("nothing to embed: give a TEXT, --input FILE, or pipe lines in")
    return from_stdin()


def _out(args: argparse.Namespace) -> Path | None:
    """The file to write, checked before the model is loaded."""
    if args.out is None or args.out == "-":
        return None
    out = Path(args.out)
    OutputFormat.of(out)
    if out.is_dir():
        raise InputError(f"{out} is a directory; expected a file to write")
    if args.input not in (None, "-") and out.exists() and out.samefile(args.input):
        raise InputError(f"{out} is also the input; choose another --out")
    return out


@dataclass
class Report:
    """What a run met. Places are `Item.number`s, of the first few only."""

    texts: int = 0
    truncated: int = 0
    truncated_places: list[int] = field(default_factory=list)
    prompted: int = 0
    prompted_places: list[int] = field(default_factory=list)

    def add(self, items: list[Item], truncated: tuple[int, ...], prompts: tuple[str, ...]) -> None:
        """Count a window. prompts: none of them should begin a text that gets one."""
        prompted = [item.number for item in items if prompts and item.text.startswith(prompts)]
        cut = [items[index].number for index in truncated]
        self.texts += len(items)
        self.truncated += len(cut)
        self.truncated_places += cut[: _NAMED_PLACES - len(self.truncated_places)]
        self.prompted += len(prompted)
        self.prompted_places += prompted[: _NAMED_PLACES - len(self.prompted_places)]

    def warnings(self, source: Source, model: "Embedder", prompt: str) -> Iterator[str]:
        """What the user should know about the result, one line each."""
        if self.truncated:
            yield (
                f"{counted(self.truncated, 'text')} of {self.texts:,} longer than "
                f"{model.max_tokens} tokens, cut there: "
                f"{_places(source, self.truncated_places, self.truncated)}"
            )
        if self.prompted:
            yield (
                f"{counted(self.prompted, 'text')} of {self.texts:,} already began with a prompt "
                f"and got {prompt!r} before it (--prompt none adds none): "
                f"{_places(source, self.prompted_places, self.prompted)}"
            )


def embed_stream(
    model: "Embedder",
    source: Source,
    writer: Writer,
    *,
    prompt: str,
    precision: Precision,
    quiet: bool,
) -> Report:
    """Embed all of `source` and hand it to `writer`, WINDOW texts at a time."""
    from ondol.runtime.progress import progress_bar
    from ondol.runtime.reports import TruncationWarning

    report = Report()
    known = tuple(text for text in model.prompts.values() if text) if prompt else ()
    shown = not quiet and sys.stderr.isatty()
    bar = progress_bar(shown=shown, unit=" texts", delay=1.0, leave=False, file=sys.stderr)
    with bar as done, warnings.catch_warnings():
        # Reported at the end, with the places.
        warnings.simplefilter("ignore", TruncationWarning)
        while items := list(islice(source.items, WINDOW)):
            texts = [item.text for item in items]
            try:
                result = model.embed(texts, prompt=prompt, precision=precision.value)
            except NumericalError as error:
                place = f"{source.unit} {items[0].number} to {items[-1].number}"
                raise NumericalError(
                    f"{source.name}, {place} (texts from 0 there): {error}"
                ) from error
            writer.write(texts, result.vectors)
            report.add(items, result.truncated, known)
            done(len(items))
    return report


def _places(source: Source, numbers: list[int], total: int) -> str:
    listed = ", ".join(f"{number:,}" for number in numbers)
    unit = source.unit if total == 1 else f"{source.unit}s"
    return f"{source.name}, {unit} {listed}{', …' if total > len(numbers) else ''}"
