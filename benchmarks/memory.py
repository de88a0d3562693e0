"""Peak memory of `ondol embed` for few lines and for many.

    python benchmarks/memory.py --corpus ../shared/corpus/ko.txt.gz ../shared/corpus/en.txt.gz

Two files of lines of the corpora, all of 20 to 120 characters, are embedded into `.npy` files, each
in a fresh process. Memory is the most that the process had resident (ru_maxrss), mapped files
included. The small file is spread evenly over the large one, so that both have lines of the same
kinds and lengths: what differs is their number, and by the bar of the issue "Fast and faithful"
that makes no more than 20 MB. 100,000 lines take minutes.
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bars import passed
from record import write_record

from ondol.benchmarks.process import run_process
from ondol.cli.inputs import from_file
from ondol.engine import Engine
from ondol.errors import InputError, OndolError
from ondol.manifest import Manifest
from ondol.runtime.default import default_bundle
from ondol.variants import Variant

#: Characters of a line.
SHORTEST, LONGEST = 20, 120

#: Of the issue: the most bytes that the larger file may take beyond the smaller.
BAR = 20_000_000


def corpus_lines(corpora: Sequence[Path], count: int) -> list[str]:
    """So many lines, of the corpora in turn. Raises InputError if there are fewer."""
    turns = zip(*(_fitting(path) for path in corpora), strict=False)
    lines = list(itertools.islice(itertools.chain.from_iterable(turns), count))
    if len(lines) < count:
        raise InputError(
            f"the corpora give {len(lines):,} lines of {SHORTEST} to {LONGEST} characters; "
            f"expected {count:,}"
        )
    return lines


def _fitting(path: Path) -> Iterator[str]:
    texts = (item.text for item in from_file(path, "text").items)
    return (text for text in texts if SHORTEST <= len(text) <= LONGEST)


def measure(
    bundle: Path, variant: str, engine: Engine, lines: Sequence[str], counts: Sequence[int]
) -> list[int]:
    """Peak resident bytes for each of `counts` lines. Raises OSError if a process fails."""
    peaks = []
    with tempfile.TemporaryDirectory() as work:
        texts, vectors = Path(work, "lines.txt"), Path(work, "vectors.npy")
        for count in counts:
            print(f"{count:,} lines", file=sys.stderr)
            chosen = lines[:: len(lines) // count][:count]
            texts.write_text("".join(f"{line}\n" for line in chosen), encoding="utf-8")
            command = ("--input", str(texts), "--out", str(vectors), "--model", str(bundle))
            embed = (sys.executable, "-m", "ondol", "embed", *command)
            cost = run_process((*embed, "--variant", variant, "--engine", engine.value, "--quiet"))
            vectors.unlink()
            peaks.append(cost.peak_bytes)
    return peaks


def as_text(results: dict[str, Any]) -> str:
    """The table for the terminal."""
    rows = [f"{r['lines']:>9,} lines {r['peak_bytes'] / 1e6:>8.1f} MB" for r in results["runs"]]
    grown = results["difference_bytes"]
    return "\n".join(
        [*rows, f"{passed(grown <= BAR)}: {grown / 1e6:.1f} MB more, at most {BAR / 1e6:.0f} MB"]
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="default: the one in the package")
    parser.add_argument("--corpus", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--variant", default="onnx-int8", help="default onnx-int8")
    parser.add_argument("--engine", help="default: the variant's own")
    parser.add_argument(
        "--lines", type=int, nargs=2, default=(1_000, 100_000), help="default 1000 100000"
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        bundle = arguments.bundle or default_bundle()
        layers = Manifest.read(bundle).architecture.layers
        variant = Variant.parse(arguments.variant)
        engine = Engine.parse(arguments.engine) if arguments.engine else Engine.of(variant)
        lines = corpus_lines(arguments.corpus, max(arguments.lines))
        peaks = measure(bundle, variant.value, engine, lines, arguments.lines)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    results = {
        "variant": variant.value,
        "engine": engine.value,
        "layers": layers,
        "runs": [
            {"lines": count, "peak_bytes": peak}
            for count, peak in zip(arguments.lines, peaks, strict=True)
        ],
        "difference_bytes": peaks[-1] - peaks[0],
        "bar_bytes": BAR,
    }
    print(as_text(results))
    if arguments.json:
        write_record(arguments.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
