"""Load a bundle, embed two texts, close it, 10,000 times: does the process grow?

    python benchmarks/load_cycles.py --json benchmarks/results/load_cycles.json

Every variant's cycles run in a process of its own, one variant after the other. A cycle is one
`Embedder` with the wanted check, a short text, a long text twice, whose second call opens what all
threads run on, and `close()`. Without BUNDLE the model is a small one with random weights, made for
this: two layers and 400 rows, which load in milliseconds, so that many cycles fit into minutes.

What the process holds is read after each hundredth of the cycles. The slope is least squares over
the second half, in bytes per cycle, with its standard error: in the first half allocators fill
their pools. Mapped files are included; those of a closed model must be gone.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from footprint import footprint, second_half_slope
from published_encoders import PUBLISHED, write_random_checkpoint
from record import write_record

from ondol import Embedder
from ondol.errors import OndolError
from ondol.manifest import Manifest
from ondol.runtime.checks import Check
from ondol.runtime.default import default_bundle
from ondol.variants import Variant

ROWS = 400
VARIANTS = (Variant.ONNX_FP32, Variant.ONNX_INT8, Variant.GGUF_F16)

#: Readings of a series of cycles.
READINGS = 100

TEXTS = ("한국", "온돌은 바닥을 데운다. " * 20)


def write_small_bundle(directory: Path) -> Path:
    """Build the small model below `directory`; returns the bundle."""
    from ondol.convert.build import BuildOptions, build

    tokenizer = json.loads((default_bundle() / "tokenizer.json").read_text("utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = [*vocabulary[: ROWS - 1], vocabulary[-1]]
    tokenizer["added_tokens"][-1]["id"] = ROWS - 1  # <mask> stays the last
    cut = directory / "tokenizer.json"
    cut.write_text(json.dumps(tokenizer), encoding="utf-8")
    (shape,) = (e for e in PUBLISHED if e.name == "multilingual-e5-small")
    small = shape.scaled(layers=2, hidden_size=64)
    small = replace(small, config={**small.config, "vocab_size": ROWS})
    write_random_checkpoint(small, cut, directory / "checkpoint")
    bundle = directory / "bundle"
    build(BuildOptions(str(directory / "checkpoint"), bundle, prune=None, variants=VARIANTS))
    return bundle


def run_cycles(bundle: Path, variant: str, cycles: int, check: str) -> dict[str, Any]:
    """One record: what the process held, and how it grew. Runs in a process of its own."""
    readings = []
    started = time.perf_counter()
    for number in range(1, cycles + 1):
        with Embedder(bundle, variant=variant, threads=2, check=check) as model:
            short, long = TEXTS
            for text in (short, long, long):
                model.encode(text)
        if number % max(1, cycles // READINGS) == 0:
            readings.append({"cycle": number, **asdict(footprint())})
    seconds = time.perf_counter() - started
    line = second_half_slope(
        [reading["cycle"] for reading in readings],
        [reading["resident_bytes"] for reading in readings],
    )
    return {
        "variant": variant,
        "cycles": cycles,
        "check": check,
        "ms_per_cycle": round(1e3 * seconds / cycles, 2),
        "bytes_per_cycle": round(line.value, 2),
        "bytes_per_cycle_error": round(line.standard_error, 2),
        "most_resident_bytes": max(reading["resident_bytes"] for reading in readings),
        "readings": readings,
    }


def measure(bundle: Path, variants: Sequence[str], cycles: int, check: str) -> list[dict[str, Any]]:
    """One record per variant."""
    records = []
    for variant in variants:
        print(f"{variant}: {cycles:,} cycles", file=sys.stderr)
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            records.append(pool.submit(run_cycles, bundle, variant, cycles, check).result())
    return records


def as_text(records: Sequence[Mapping[str, Any]]) -> str:
    """For the terminal."""
    lines = []
    for r in records:
        first, last = r["readings"][0], r["readings"][-1]
        lines.append(
            f"{r['variant']}: {r['cycles']:,} cycles of {r['ms_per_cycle']:.1f} ms, "
            f"{r['bytes_per_cycle']:+,.0f} ± {r['bytes_per_cycle_error']:,.0f} bytes/cycle, "
            f"at most {r['most_resident_bytes'] / 1e6:.1f} MB, descriptors "
            f"{first['descriptors']} to {last['descriptors']}, threads {first['threads']} to "
            f"{last['threads']}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="default: a small one, made here")
    parser.add_argument("--variant", action="append", help="default: every one of the bundle")
    parser.add_argument("--cycles", type=int, default=10_000, help="default 10,000; at least 10")
    parser.add_argument(
        "--check", choices=[check.value for check in Check], default="full", help="default full"
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    if arguments.cycles < 10:
        parser.error(f"--cycles is {arguments.cycles}; expected at least 10")
    try:
        with tempfile.TemporaryDirectory() as work:
            bundle = arguments.bundle or write_small_bundle(Path(work))
            variants = arguments.variant or [r.name.value for r in Manifest.read(bundle).variants]
            records = measure(bundle, variants, arguments.cycles, arguments.check)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(as_text(records))
    if arguments.json:
        write_record(arguments.json, records)
    return 0


if __name__ == "__main__":
    sys.exit(main())
