"""Time and memory from process start to the first vector, and where they go.

    python benchmarks/startup.py [BUNDLE]

Every case runs in fresh processes; the rounds are interleaved, so that a busy moment of the machine
hits all cases alike, and the median is reported. Memory is the most that the process had resident
(ru_maxrss), mapped files included. Without BUNDLE the one inside the package is used.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from record import median, write_record

from ondol.benchmarks.process import run_process
from ondol.errors import OndolError
from ondol.manifest import Manifest
from ondol.runtime.checks import Check
from ondol.runtime.default import default_bundle
from ondol.runtime.engines import installed

TEXT = "한 문장"


@dataclass(frozen=True)
class Case:
    """A command to run in a fresh process, and what the table calls it."""

    name: str
    command: tuple[str, ...]


def cases(bundle: Path, manifest: Manifest) -> list[Case]:
    """The bare interpreter and libraries first, then ondol, then each variant at each check."""
    result = [
        Case(label, (sys.executable, "-c", code))
        for label, code in (
            ("python", "pass"),
            ("import numpy", "import numpy"),
            ("import tokenizers", "import tokenizers"),
            ("import onnxruntime", "import onnxruntime"),
            ("import llama_cpp", "import llama_cpp"),
            ("import ondol", "import ondol"),
            ("from ondol import Embedder", "from ondol import Embedder"),
        )
    ]
    for record in manifest.variants:
        name = record.name.value
        if not installed(record.name):
            continue
        command = ("embed", TEXT, "--model", str(bundle), "--variant", name, "--quiet")
        result.append(Case(f"ondol embed, {name}", (sys.executable, "-m", "ondol", *command)))
        for check in Check:
            code = (
                "import sys; from ondol import Embedder; "
                "Embedder(sys.argv[1], variant=sys.argv[2], check=sys.argv[3]).encode(sys.argv[4])"
            )
            result.append(
                Case(
                    f"one text from Python, {name}, check={check.value}",
                    (sys.executable, "-c", code, str(bundle), name, check.value, TEXT),
                )
            )
    return result


def measure(wanted: Sequence[Case], rounds: int) -> list[dict[str, Any]]:
    """Medians of every case, in the order given."""
    seconds: dict[str, list[float]] = {case.name: [] for case in wanted}
    memory: dict[str, list[int]] = {case.name: [] for case in wanted}
    for case in wanted:
        run_process(case.command)  # files into the page cache, bytecode onto the disk
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for case in wanted:
            cost = run_process(case.command)
            seconds[case.name].append(cost.seconds)
            memory[case.name].append(cost.peak_bytes)
    return [
        {
            "case": case.name,
            "milliseconds": round(1000 * median(seconds[case.name]), 1),
            "fastest_milliseconds": round(1000 * min(seconds[case.name]), 1),
            "peak_megabytes": round(median(memory[case.name]) / 1e6, 1),
        }
        for case in wanted
    ]


def as_text(records: Sequence[Mapping[str, Any]]) -> str:
    """The table for the terminal."""
    lines = [f"{'case':<48} {'ms':>7} {'fastest':>8} {'peak MB':>8}"]
    lines += [
        f"{r['case']:<48} {r['milliseconds']:>7.0f} {r['fastest_milliseconds']:>8.0f} "
        f"{r['peak_megabytes']:>8.1f}"
        for r in records
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="default: the one in the package")
    parser.add_argument("--rounds", type=int, default=9, help="processes per case (default 9)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        bundle = arguments.bundle or default_bundle()
        manifest = Manifest.read(bundle)
        records = measure(cases(bundle, manifest), arguments.rounds)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(as_text(records))
    if arguments.json:
        write_record(arguments.json, {"rounds": arguments.rounds, "cases": records})
    return 0


if __name__ == "__main__":
    sys.exit(main())
