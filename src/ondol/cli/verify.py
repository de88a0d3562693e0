"""`ondol verify`: does every variant still give what PyTorch gave?"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.cli.options import (
    FAILED,
    add_bundle_argument,
    add_engine_option,
    add_threads_option,
    bundle_of,
    new_parser,
    variant_name,
)
from ondol.cli.table import emit, format_table
from ondol.engine import Engine
from ondol.errors import MissingDependencyError, OndolError
from ondol.parity_table import COLUMNS, inputs_cell, limit_cell, limited_cell, number_cells
from ondol.task import Task

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers
    from ondol.manifest import Parity, ScoreParity, VariantRecord

_DESCRIPTION = """\
Check a bundle: sizes and checksums of its files, agreement of its parts, and for every variant
the vectors of all reference texts against the PyTorch vectors stored with them; of a reranker the
logits of all reference pairs. The difference of a logit is stated in spreads: standard deviations
of PyTorch's logits over the pairs.

A variant fails if it does not load, or if its smallest cosine is below its floor or its mean
error above its ceiling; then the exit code is 3. A variant whose engine is not installed is
skipped: it counts as no failure, unless nothing at all could be verified or --require-all is given.
With --engine the variants that it runs are verified in it.
"""

_EXAMPLES = """\
ondol verify path/to/bundle
ondol verify path/to/bundle --variant gguf-q8_0
ondol verify path/to/bundle --engine openvino
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "verify",
        summary="compare every variant of a bundle with its reference vectors",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_bundle_argument(parser)
    parser.add_argument(
        "--variant",
        metavar="NAME",
        type=variant_name,
        help="verify this variant alone; if its engine is missing, that is an error",
    )
    add_engine_option(parser)
    parser.add_argument(
        "--require-all",
        action="store_true",
        help="a skipped variant is a failure too",
    )
    add_threads_option(parser)
    parser.set_defaults(run=run)


@dataclass(frozen=True)
class Outcome:
    """What became of one variant.

    Attributes:
        measured: None if it did not get that far.
        problem: why it was skipped or failed, None if all is well.
        skipped: its engine is not installed.
    """

    record: "VariantRecord"
    measured: "Parity | ScoreParity | None"
    problem: str | None
    skipped: bool

    @property
    def word(self) -> str:
        if self.problem is None:
            return "ok"
        return "skipped" if self.skipped else "FAILED"


def run(args: argparse.Namespace) -> int:
    """Verify and print. Returns 0, or FAILED."""
    from ondol.manifest import Manifest
    from ondol.runtime.engines import wanted_records

    bundle = bundle_of(args)
    manifest = Manifest.read(bundle)
    records = wanted_records(manifest, [args.variant] if args.variant else [], args.engine)
    outcomes = []
    for record in records:
        engine = args.engine or Engine.of(record.name)
        print(f"verifying {record.name} in {engine} …", file=sys.stderr)
        outcomes.append(verify_variant(bundle, record, engine, threads=args.threads))
    emit(_table(outcomes, manifest.task))
    for outcome in outcomes:
        if outcome.problem is not None:
            emit(f"{outcome.record.name}: {outcome.problem}\n")
    return exit_code(outcomes, require_all=args.require_all or args.variant is not None)


def verify_variant(
    bundle: Path, record: "VariantRecord", engine: Engine, *, threads: int | None
) -> Outcome:
    """Open one variant with every check, and embed all reference texts."""
    from ondol.manifest import Manifest
    from ondol.runtime.kinds import class_of
    from ondol.runtime.parity import measure

    try:
        with class_of(Manifest.read(bundle))(
            bundle, variant=record.name.value, engine=engine.value, threads=threads
        ) as model:
            measured = measure(model)
    except MissingDependencyError as error:
        return Outcome(record, None, str(error), skipped=True)
    except OndolError as error:
        return Outcome(record, None, str(error), skipped=False)
    return Outcome(record, measured.recorded(record), measured.problem(record), skipped=False)


def exit_code(outcomes: list[Outcome], *, require_all: bool) -> int:
    """0 if nothing failed and something was verified; FAILED otherwise.

    require_all: a skipped variant counts as failed.
    """
    words = [outcome.word for outcome in outcomes]
    if "FAILED" in words or "ok" not in words or (require_all and "skipped" in words):
        return FAILED
    return 0


def _table(outcomes: list[Outcome], task: Task) -> str:
    columns = COLUMNS[task]
    header = ("variant", "result", columns.inputs, *columns.numbers, columns.limit, "at build")
    rows = []
    for outcome in outcomes:
        stored = outcome.record.parity
        inputs, numbers = "-", ("-",) * len(columns.numbers)
        if outcome.measured is not None:
            inputs, numbers = inputs_cell(outcome.measured), number_cells(outcome.measured)
        at_build = limited_cell(stored)
        rows.append(
            (
                outcome.record.name.value,
                outcome.word,
                inputs,
                *numbers,
                limit_cell(stored),
                at_build,
            )
        )
    return format_table(header, rows)
