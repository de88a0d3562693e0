"""`ondol bench`: how fast, how large and how exact are a bundle's variants on this machine?"""

import argparse
import shlex
import sys
import tempfile
import textwrap
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
from ondol.cli.vocabulary import stage_printer
from ondol.errors import InputError
from ondol.task import Task

if TYPE_CHECKING:
    from ondol.benchmarks.results import BenchReport
    from ondol.benchmarks.tables import Table
    from ondol.cli.options import Subparsers

_DESCRIPTION = """\
Measure a bundle's variants on this machine: bytes on disk, cold start (from the start of a process
to its first vector), latency of one text of 16, 64, 256 and 512 tokens, texts and tokens per second
on a mix of short and long texts, peak resident memory, and parity with the stored PyTorch vectors.

The bundle has to be an encoder's. The texts are Korean and English lines that come with the
package. The variants take turns, so that a busy moment of the machine hits all of them; a call that
warms up is not counted. Close other programs first. A variant takes about a minute with 12 layers
on two cores. Ctrl-C ends the run and keeps what was measured.

A variant that fails is reported and the rest goes on; then the exit code is 3. A variant whose
engine is not installed is skipped, which counts as a failure only if it was named or if nothing at
all could be measured. With --engine the variants that it runs are measured in it.
"""

_EXAMPLES = """\
ondol bench
ondol bench path/to/bundle --variant onnx-int8 --variant gguf-q8_0
ondol bench path/to/bundle --threads 1 --out report
"""

_WIDTH = 100


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "bench",
        summary="measure speed, size, memory and parity of a bundle's variants",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_bundle_argument(parser)
    parser.add_argument(
        "--variant",
        metavar="NAME",
        type=variant_name,
        action="append",
        help="measure this variant alone; may be given several times",
    )
    add_engine_option(parser)
    add_threads_option(parser, note="; throughput is measured with fewer too")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the results as JSON instead of tables",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="write report.html, which holds the plots and opens offline, the plots as .svg, and "
        "bench.json into DIR; files of these names are replaced",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print. Returns 0 or FAILED.

    Raises KeyboardInterrupt after Ctrl-C, when what was measured is printed and written.
    """
    from ondol.benchmarks.measure import DEFAULT_EFFORT, Measurement
    from ondol.manifest import Manifest
    from ondol.runtime.cores import physical_cores
    from ondol.runtime.engines import wanted_records
    from ondol.runtime.opened import check_task

    bundle = bundle_of(args)
    manifest = Manifest.read(bundle)
    check_task(bundle, manifest, Task.EMBED)
    records = wanted_records(manifest, args.variant or [], args.engine)
    measurement = Measurement(
        bundle,
        manifest,
        records,
        engine=args.engine,
        threads=args.threads or physical_cores(),
        command=_command(args),
        effort=DEFAULT_EFFORT,
        report_progress=stage_printer(),
    )
    if args.out is not None:
        _check_writable(args.out)
    stopped: KeyboardInterrupt | None = None
    try:
        measurement.run()
    except KeyboardInterrupt as interrupt:
        stopped = interrupt
        print("stopped; what was measured until now:", file=sys.stderr)
    report = measurement.report()
    # First the files: the reader of a pipe may have gone.
    if args.out is not None:
        _write_files(args.out, report)
        print(f"written: {args.out / 'report.html'}", file=sys.stderr)
    emit(report.to_json() if args.json else as_text(report))
    if stopped is not None:
        raise stopped
    return exit_code(report, named=args.variant is not None or args.engine is not None)


def exit_code(report: "BenchReport", *, named: bool) -> int:
    """0 if nothing failed and something was measured; FAILED otherwise.

    named: the user named variants or the engine, so a skipped variant counts as failed.
    """
    from ondol.benchmarks.results import Status

    found = {variant.status for variant in report.variants}
    if Status.FAILED in found or Status.OK not in found or (named and Status.SKIPPED in found):
        return FAILED
    return 0


def as_text(report: "BenchReport") -> str:
    """The report for a terminal."""
    from ondol.benchmarks.tables import (
        latency_table,
        machine_rows,
        notes,
        summary_table,
        threads_table,
    )

    facts = machine_rows(report)
    width = max(map(len, facts))
    parts = ["".join(f"{name:<{width}}  {value}\n" for name, value in facts.items())]
    tables = (summary_table(report), latency_table(report), threads_table(report))
    parts += [_table(table) for table in tables if table.rows]
    parts += ["".join(f"{note}\n" for note in notes(report))]
    return "\n".join(part for part in parts if part)


def _table(table: "Table") -> str:
    return f"{textwrap.fill(table.caption, _WIDTH)}\n{format_table(table.header, table.rows)}"


def _command(args: argparse.Namespace) -> str:
    """The command line that measures the same again."""
    words = ["ondol", "bench", *([args.bundle] if args.bundle is not None else [])]
    for name in args.variant or ():
        words += ["--variant", name.value]
    if args.engine is not None:
        words += ["--engine", args.engine.value]
    if args.threads is not None:
        words += ["--threads", str(args.threads)]
    return shlex.join(words)


def _check_writable(out: Path) -> None:
    """Find out before the minutes of measuring. Raises InputError."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; expected a directory: choose another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(
            f"cannot write into {out} ({error.strerror}); choose another --out"
        ) from error


def _write_files(out: Path, report: "BenchReport") -> None:
    from ondol.benchmarks.page import report_page
    from ondol.benchmarks.report_plots import report_plots
    from ondol.files import atomic_file

    contents = {
        "bench.json": report.to_json(),
        "report.html": report_page(report),
        **report_plots(report),
    }
    for name, content in contents.items():
        with atomic_file(out / name) as partial:
            partial.write_text(content, encoding="utf-8")
