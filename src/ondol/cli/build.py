"""`ondol build`: from a checkpoint to a bundle."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.cli.options import add_source_options, new_parser, variant_list
from ondol.cli.table import emit, format_table
from ondol.cli.vocabulary import add_vocabulary_options, prune_options, prune_text, stage_printer
from ondol.parity_table import COLUMNS, limit_cell, number_cells
from ondol.variants import Variant

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers
    from ondol.convert.build import BuildReport

_DESCRIPTION = """\
Build a bundle from a checkpoint: prune its vocabulary, write it in every variant, and measure each
variant against PyTorch on the reference texts. If one is below its floor, nothing is written.

Needs the extra `convert`.
"""

_EXAMPLES = """\
ondol build dragonkue/multilingual-e5-small-ko --out e5-small-ko
ondol build path/to/checkpoint --out bundle --keep-vocab --variants onnx-fp32,onnx-int8
ondol build path/to/checkpoint --out bundle --prompt "query=query: " --prompt "passage=passage: "
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "build",
        summary="build a bundle from a checkpoint",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_source_options(parser, out="the bundle's directory; must not exist, or be empty")
    add_vocabulary_options(parser)
    parser.add_argument(
        "--keep-vocab",
        action="store_true",
        help="keep the whole vocabulary; excludes the options that choose one",
    )
    parser.add_argument(
        "--variants",
        metavar="LIST",
        type=variant_list,
        default=tuple(Variant),
        help=f"variants to write, with commas between them, of {', '.join(map(str, Variant))} "
        "(default: all)",
    )
    parser.add_argument(
        "--prompt",
        metavar="NAME=TEXT",
        action="append",
        type=_prompt,
        help="a prompt for the manifest, for instance 'query=query: '; may be given several "
        "times (default: the prompts that the checkpoint states)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Build and print the report. Returns 0."""
    choosing = args.languages or args.vocab_size or args.corpus or args.corpus_only
    if args.keep_vocab and choosing:
        args.usage_error(
            "--keep-vocab excludes --languages, --vocab-size, --corpus and --corpus-only"
        )
    prompts = dict(args.prompt) if args.prompt else None
    if prompts is not None and len(prompts) != len(args.prompt):
        args.usage_error("--prompt gives one name twice")

    from ondol.convert.build import BuildOptions, build

    options = BuildOptions(
        source=args.source,
        out=Path(args.out),
        revision=args.revision,
        prune=None if args.keep_vocab else prune_options(args),
        variants=args.variants,
        prompts=prompts,
    )
    report = build(options, stage_printer())
    if report.prune is not None and options.prune is not None:
        emit(prune_text(report.prune, options.prune.languages) + "\n")
    emit(_summary(report))
    return 0


def _summary(report: "BuildReport") -> str:
    """The variants with bytes, compression against the checkpoint, and parity."""
    manifest = report.manifest
    rows = [
        (
            record.name.value,
            f"{record.bytes:,}",
            f"{report.source_bytes / (record.bytes + manifest.tokenizer.bytes):.1f}",
            *number_cells(record.parity),
            limit_cell(record.parity),
        )
        for record in manifest.variants
    ]
    columns = COLUMNS[manifest.task]
    header = ("variant", "bytes", "times smaller", *columns.numbers, columns.limit)
    return (
        f"{format_table(header, rows)}\n"
        f"times smaller: weights and tokenizer of the checkpoint ({report.source_bytes:,} bytes) "
        f"against the variant and its tokenizer ({manifest.tokenizer.bytes:,} bytes)\n"
    )


def _prompt(text: str) -> tuple[str, str]:
    name, separator, prompt = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=TEXT")
    if name == "none":
        raise argparse.ArgumentTypeError("the name none is taken: it stands for no prompt")
    return name, prompt
