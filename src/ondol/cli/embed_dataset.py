"""`ondol embed-dataset`: a data set in, Parquet with its vectors out."""

import argparse
import sys
from typing import TYPE_CHECKING

from ondol.cli.options import add_threads_option, add_variant_options, new_parser, positive_int
from ondol.cli.table import counted

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers
    from ondol.dataset.run import DatasetReport, Executor

#: As `ondol.dataset.DEFAULT_MAX_ERRORS`, whose import loads more than a parser needs.
_DEFAULT_MAX_ERRORS = 100

_DESCRIPTION = """\
Embed a column of a data set of any size into a folder of Parquet files.

INPUT is a .parquet, .jsonl, .ndjson, .csv or .tsv file (text formats also with .gz), a folder with
all such files below it, a glob in quotes, or a URL of these that fsspec knows (s3://, gs://,
hdfs://, …), whose own package has to be installed. Every input file gives one part-NNNNN.parquet
with the columns `id` and `embedding`; Parquet of more than 64 MB is divided between row groups.

A run that was stopped or killed goes on where it was when the same command is given again; with
other options, another bundle or a changed input it is refused. _manifest.json in the output names
every part with its rows and sha256. Rows without a text are put aside, with the reason, in files
below _failed, until there are more than --max-errors.

With --engine ray the parts are spread over a Ray cluster: the one at --address, or one that is
started on this machine for the run. The bundle is sent to the nodes; input and output have to be
reachable from all of them under the same names. The vectors are those of a single machine.
"""

_EXAMPLES = """\
ondol embed-dataset reviews.jsonl --out vectors --column body --id-column review_id
ondol embed-dataset "s3://bucket/reviews/*.parquet" --out s3://bucket/vectors --precision float16
ondol embed-dataset reviews --out vectors --engine ray --address auto
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "embed-dataset",
        summary="embed a data set, on one machine or a Ray cluster",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    parser.add_argument("input", metavar="INPUT", help="file, folder, glob or URL")
    parser.add_argument(
        "--out",
        metavar="OUTPUT",
        required=True,
        help="folder or URL: new, or of the run that is to be continued",
    )
    parser.add_argument(
        "--column", metavar="NAME", default="text", help="column with the texts (default: text)"
    )
    parser.add_argument(
        "--id-column",
        metavar="NAME",
        help="column with strings or whole numbers that become the ids (default: ids of the form "
        "FILE:NUMBER, with the row, in text formats the line, counted from 1)",
    )
    add_variant_options(parser)
    parser.add_argument(
        "--prompt",
        metavar="NAME",
        help="prompt to put before every text: passage, query, another name that `ondol info` "
        "lists, or none (default: the bundle's prompt for documents, if it has one)",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "float16", "int8", "ubinary"),
        default="float32",
        help="numbers of the vectors: float16 is float32 rounded, int8 takes a byte per element, "
        "ubinary a bit, eight to a uint8; what that costs is in docs/output.md (default: float32)",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="this machine alone, or a Ray cluster (default: local)",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="ray: the cluster to use, HOST:PORT or auto (default: one that is started on this "
        "machine, and ends with the run)",
    )
    parser.add_argument(
        "--min-workers",
        metavar="N",
        type=positive_int,
        default=1,
        help="ray: workers that are asked for at once (default: 1)",
    )
    parser.add_argument(
        "--max-workers",
        metavar="N",
        type=positive_int,
        help="ray: the most workers, also if the cluster has to grow for them (default: as many "
        "as it has room for)",
    )
    add_threads_option(parser, note=" for local, 1 for each worker of ray")
    parser.add_argument(
        "--max-errors",
        metavar="N",
        type=_natural,
        default=_DEFAULT_MAX_ERRORS,
        help="rows without a text or an id that are put aside before the run gives up (default: "
        f"{_DEFAULT_MAX_ERRORS})",
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="no progress and no summary on standard error",
    )
    parser.set_defaults(run=run)


def _natural(text: str) -> int:
    return 0 if text == "0" else positive_int(text)


def run(args: argparse.Namespace) -> int:
    """Embed what the arguments name. Returns 0."""
    from ondol.dataset import embed_dataset
    from ondol.runtime.progress import progress_bar

    executor = _executor(args)
    shown = not args.quiet and sys.stderr.isatty()
    with progress_bar(
        shown=shown, unit=" rows", delay=1.0, leave=False, file=sys.stderr
    ) as report_rows:
        report = embed_dataset(
            args.input,
            args.out,
            column=args.column,
            id_column=args.id_column,
            bundle=args.model,
            variant=args.variant.value if args.variant else None,
            prompt_name=args.prompt,
            precision=args.precision,
            max_errors=args.max_errors,
            executor=executor,
            report_rows=report_rows,
        )
    for line in summary(report, args.out, quiet=args.quiet):
        print(line, file=sys.stderr)
    return 0


def _executor(args: argparse.Namespace) -> "Executor":
    from ondol.dataset import LocalExecutor, RayExecutor

    if args.engine == "ray":
        return RayExecutor(
            address=args.address,
            threads=args.threads or 1,
            min_workers=args.min_workers,
            max_workers=args.max_workers,
        )
    if args.address is not None or args.max_workers is not None or args.min_workers != 1:
        args.usage_error("--address, --min-workers and --max-workers belong to --engine ray")
    return LocalExecutor(threads=args.threads)


def summary(report: "DatasetReport", out: str, *, quiet: bool) -> list[str]:
    """What was done, unless that is not wanted, and what the user should know about it."""
    lines = []
    if not quiet:
        kept = f" ({report.kept:,} of them before)" if report.kept else ""
        rate = report.rows / max(report.seconds, 1e-9)
        lines.append(
            f"{counted(report.rows, 'row')} embedded in {report.seconds:.1f} s ({rate:,.0f}/s), "
            f"{counted(report.partitions, 'part')}{kept}: {out}"
        )
    if report.failed:
        lines.append(
            f"ondol: warning: {counted(report.failed, 'row')} failed, with the reasons below "
            f"{out.rstrip('/')}/_failed"
        )
    if report.truncated:
        lines.append(
            f"ondol: warning: {counted(report.truncated, 'text')} longer than the model takes, cut"
        )
    if report.prompted:
        lines.append(
            f"ondol: warning: {counted(report.prompted, 'text')} already began with a prompt and "
            "got another before it (--prompt none adds none)"
        )
    return lines
