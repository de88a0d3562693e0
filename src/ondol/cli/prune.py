"""`ondol prune`: the first stage of a build alone."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.cli.options import add_source_options, new_parser
from ondol.cli.table import emit
from ondol.cli.vocabulary import add_vocabulary_options, prune_options, prune_text, stage_printer

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers

_DESCRIPTION = """\
Write a checkpoint with the part of its vocabulary that Korean and English text uses: a directory
that transformers and sentence-transformers load. Text whose pieces are all kept gets the same
vectors as before. How much text that is, is measured and printed.

Needs the extra `convert`.
"""

_EXAMPLES = """\
ondol prune dragonkue/multilingual-e5-small-ko --out e5-small-ko-en
ondol prune path/to/checkpoint --out small --languages ko --vocab-size 30000
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "prune",
        summary="write a checkpoint with a smaller vocabulary",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_source_options(parser, out="directory to write; must not exist, or be empty")
    add_vocabulary_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prune and print the report. Returns 0."""
    from ondol.checkpoint import Checkpoint
    from ondol.hub.checkpoints import resolve
    from ondol.vocab_prune.prune import prune

    options = prune_options(args)
    report_stage = stage_printer()
    report_stage(f"reading {args.source}")
    source = Checkpoint(resolve(args.source, args.revision).directory)
    report = prune(source, Path(args.out), options, report_stage)
    emit(prune_text(report, options.languages))
    return 0
