"""Options and argument types that several commands share."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.engine import Engine
from ondol.errors import InputError, VariantError
from ondol.variants import Variant

if TYPE_CHECKING:
    from ondol.runtime.embedder import Embedder

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

#: Exit code for a bundle that was read, but of which something is not right.
FAILED = 3


def new_parser(
    subparsers: "Subparsers", name: str, *, summary: str, description: str, examples: str
) -> argparse.ArgumentParser:
    """A command's parser, with its description and examples in the help.

    examples: one command line per line; longer comments stand above their line after "#".
    """
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=description,
        epilog="examples:\n" + "".join(f"  {line}\n" for line in examples.strip().splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(usage_error=parser.error)
    return parser


def variant_name(text: str) -> Variant:
    """An argparse type. Raises ArgumentTypeError with the list of names."""
    try:
        return Variant.parse(text)
    except VariantError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def engine_name(text: str) -> Engine:
    """An argparse type. Raises ArgumentTypeError with the list of names."""
    try:
        return Engine.parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def variant_list(text: str) -> tuple[Variant, ...]:
    """An argparse type: names with commas between them, each at most once."""
    variants = tuple(variant_name(part.strip()) for part in text.split(","))
    if len(set(variants)) != len(variants):
        raise argparse.ArgumentTypeError(f"{text!r} names a variant twice")
    return variants


def positive_int(text: str) -> int:
    """An argparse type: a whole number from 1. Thousands may be grouped with "," or "_"."""
    try:
        value = int(text.replace(",", ""))
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return value


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """--model, --variant, --engine and --threads: the same wherever a model is used."""
    add_variant_options(parser)
    add_engine_option(parser)
    add_threads_option(parser)


def add_variant_options(parser: argparse.ArgumentParser) -> None:
    """--model and --variant alone."""
    parser.add_argument(
        "--model",
        metavar="BUNDLE",
        help="directory of the bundle to use, or a hub id ORGANISATION/NAME, which is downloaded "
        "to the hub's cache (default: the one inside the package)",
    )
    parser.add_argument(
        "--variant",
        metavar="NAME",
        type=variant_name,
        help="variant of the bundle, for instance onnx-int8 (default: the fastest one whose "
        "engine is installed)",
    )


def add_bundle_argument(parser: argparse.ArgumentParser) -> None:
    """BUNDLE, which `bundle_of` reads."""
    parser.add_argument(
        "bundle",
        metavar="BUNDLE",
        nargs="?",
        help="directory of the bundle (default: the one inside the package)",
    )


def bundle_of(args: argparse.Namespace) -> Path:
    """The directory that BUNDLE names, or the one inside the package."""
    from ondol.runtime.default import default_bundle

    return Path(args.bundle) if args.bundle is not None else default_bundle()


def add_threads_option(parser: argparse.ArgumentParser, *, note: str = "") -> None:
    """--threads. note: more for its help."""
    parser.add_argument(
        "--threads",
        metavar="N",
        type=positive_int,
        help=f"threads of the engine (default: one per physical core){note}",
    )


def add_engine_option(parser: argparse.ArgumentParser) -> None:
    """--engine."""
    parser.add_argument(
        "--engine",
        metavar="NAME",
        type=engine_name,
        help="onnxruntime, openvino or llama.cpp (default: onnxruntime for ONNX, llama.cpp for "
        "GGUF)",
    )


def open_model(args: argparse.Namespace) -> "Embedder":
    """The Embedder that the command's model options describe, and its --normalize and
    --truncate-dim if it has them.
    """
    from ondol.runtime.embedder import Embedder

    return Embedder(
        args.model,
        variant=args.variant.value if args.variant else None,
        engine=args.engine.value if args.engine else None,
        threads=args.threads,
        normalize=getattr(args, "normalize", None),
        truncate_dim=getattr(args, "truncate_dim", None),
    )


def add_source_options(parser: argparse.ArgumentParser, *, out: str) -> None:
    """SOURCE, --revision and --out. out: the help of --out."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a checkpoint directory as sentence-transformers saves it, or a hub id",
    )
    parser.add_argument("--out", metavar="DIR", required=True, help=out)
    parser.add_argument(
        "--revision",
        metavar="REVISION",
        help="commit, tag or branch of a hub id (default: the repository's default branch)",
    )
