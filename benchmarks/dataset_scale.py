"""What it costs to embed a data set, on one machine and on Ray, up to a million rows.

    python benchmarks/dataset_scale.py --corpus ../shared/corpus --work DIR [--json FILE]
        [--sizes 10000,100000,1000000] [--compared 100000]

Makes Parquet files of short lines of the corpus below DIR, FILES of each size, and embeds them with
the bundle inside the package by `ondol embed-dataset`, each run in processes of its own: every size
on this machine with a thread per core, and on Ray with a worker per core; one size also with one
core, and on Ray with one worker for all cores. Counted are seconds, which other work on the machine
lengthens, processor seconds of all processes, which it hardly does, and the most memory that they
held together.

All runs of a size have to give the same files, by the checksums of their manifests. A step that is
done is kept in DIR, and a program that was stopped goes on after it.
"""

import argparse
import gzip
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from process_tree import TreeCost, run_tree
from program import exit_code
from record import write_record

from ondol.errors import OndolError
from ondol.files import atomic_file
from ondol.runtime.cores import physical_cores

SIZES = (10_000, 100_000, 1_000_000)

#: Rows of the runs that compare ways to use the cores.
COMPARED = 100_000

#: Of each size: as many as are divided well between a few workers.
FILES = 20

#: Characters of a line.
SHORT = range(40, 161)

LANGUAGES = ("ko", "en")


class DifferentVectorsError(OndolError):
    """Two runs over the same rows gave different files."""


@dataclass(frozen=True)
class Way:
    """How a run uses the machine. engine: "local" or "ray"; local has one worker."""

    engine: str
    workers: int
    threads: int

    def options(self) -> list[str]:
        """Of the command line."""
        shared = ["--engine", self.engine, "--threads", str(self.threads)]
        if self.engine == "local":
            return shared
        return [*shared, "--min-workers", str(self.workers), "--max-workers", str(self.workers)]


def lines(corpus: Path) -> Iterator[str]:
    """Short ones, of the languages in turns, without end: after the last the first comes again,
    with a number.
    """
    sources = []
    for language in LANGUAGES:
        with gzip.open(corpus / f"{language}.txt.gz", "rt", encoding="utf-8") as file:
            sources.append([line for raw in file if len(line := raw.strip()) in SHORT])
    turns = [line for pair in zip(*sources, strict=False) for line in pair]
    for number, line in enumerate(cycle(turns)):
        again = number // len(turns)
        yield f"{line} {again}" if again else line


def write_rows(corpus: Path, folder: Path, rows: int) -> None:
    """FILES Parquet files with columns `id` and `text`; what is there is kept."""
    source = lines(corpus)
    for number in range(FILES):
        count = rows * (number + 1) // FILES - rows * number // FILES
        texts = list(islice(source, count))
        first = rows * number // FILES
        path = folder / f"{number:02}.parquet"
        if path.exists():
            continue
        table = pyarrow.table({"id": range(first, first + count), "text": texts})
        with atomic_file(path) as partial:
            pyarrow.parquet.write_table(table, partial)


def ways(cores: int) -> Iterator[Way]:
    """The two that are run at every size, then the others."""
    yield Way("local", 1, cores)
    yield Way("ray", cores, 1)
    if cores > 1:
        yield Way("local", 1, 1)
        yield Way("ray", 1, 1)
        yield Way("ray", 1, cores)


def measure(source: Path, out: Path, way: Way) -> dict[str, Any]:
    """One run. Its output is gone afterwards, but for the checksums."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "ondol", "embed-dataset", str(source), "--out", str(out)]
    command += ["--id-column", "id", "--quiet", *way.options()]
    cost: TreeCost = run_tree(command)
    manifest = json.loads((out / "_manifest.json").read_text(encoding="utf-8"))
    shutil.rmtree(out)
    return {
        **asdict(way),
        **asdict(cost),
        "rows": manifest["rows"],
        "tokens": sum(part["tokens"] for part in manifest["partitions"]),
        "bytes_in": sum(path.stat().st_size for path in source.iterdir()),
        "bytes_out": manifest["bytes"],
        "sha256": [part["sha256"] for part in manifest["partitions"]],
    }


def step(work: Path, name: str, source: Path, way: Way) -> dict[str, Any]:
    """The result of a run, which is kept below `work`."""
    path = work / "steps" / f"{name}.json"
    if not path.exists():
        print(name, file=sys.stderr, flush=True)
        found = measure(source, work / "out", way)
        with atomic_file(path) as partial:
            partial.write_text(json.dumps(found), encoding="utf-8")
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def check_same(runs: Sequence[dict[str, Any]]) -> None:
    """Raises DifferentVectorsError unless all runs of a size wrote the same bytes."""
    for run in runs:
        first = next(one for one in runs if one["rows"] == run["rows"])
        if run["sha256"] != first["sha256"]:
            raise DifferentVectorsError(
                f"{run['rows']:,} rows: {run['engine']} with {run['workers']} × {run['threads']} "
                f"threads gave other files than {first['engine']}"
            )


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True, help="folder with ko.txt.gz, en…")
    parser.add_argument("--work", type=Path, required=True, help="folder for files and steps")
    parser.add_argument("--sizes", type=_numbers, default=SIZES, help="rows, with commas between")
    parser.add_argument("--compared", type=int, default=COMPARED, help="rows of the comparison")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    return exit_code(_run, parser.parse_args())


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _run(options: argparse.Namespace) -> None:
    cores = physical_cores()
    runs = []
    for rows in dict.fromkeys((*options.sizes, options.compared)):
        source = options.work / f"rows{rows}"
        write_rows(options.corpus, source, rows)
        for place, way in enumerate(ways(cores)):
            # The first two are run at every size, but for one that is only compared.
            if rows == options.compared or place < 2:
                name = f"{rows}-{way.engine}-{way.workers}x{way.threads}"
                runs.append(step(options.work, name, source, way))
                shown = {k: v for k, v in runs[-1].items() if k != "sha256"}
                print(shown, flush=True)
    check_same(runs)
    kept = [{k: v for k, v in run.items() if k != "sha256"} for run in runs]
    if options.json:
        write_record(options.json, {"cores": cores, "compared": options.compared, "runs": kept})


if __name__ == "__main__":
    sys.exit(main())
