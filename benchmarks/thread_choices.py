"""One text on one thread and on all, and many texts in one run after the other or side by side.

    python benchmarks/thread_choices.py BUNDLE --variant onnx-int8 --variant gguf-q8_0

The grounds for `WORTH_ALL_THREADS` and for one-threaded runs in runtime/backend.py. Milliseconds
per text, the smallest of interleaved rounds: other processes on the machine make the rest longer.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from record import write_record

from ondol.engine import Engine
from ondol.errors import OndolError
from ondol.manifest import Manifest
from ondol.runtime.backend import Backend
from ondol.runtime.cores import physical_cores
from ondol.runtime.engines import open_backend
from ondol.variants import Variant

LENGTHS = (8, 16, 32, 64, 128, 256, 512)

#: Ids of ordinary pieces, whichever the vocabulary.
_IDS = (10, 10_000)


def cases(
    backend: Backend, ids: Sequence[Sequence[int]], pool: ThreadPoolExecutor
) -> dict[str, Callable[[], object]]:
    """The ways to run the texts, each at its own."""

    def one_by_one(*, alone: bool) -> None:
        for text in ids:
            backend.outputs([text], alone=alone)

    def side_by_side() -> None:
        list(pool.map(lambda text: backend.outputs([text]), ids))

    return {
        "one_thread": lambda: one_by_one(alone=False),
        "all_threads": lambda: one_by_one(alone=True),
        "side_by_side": side_by_side,
    }


def measure(bundle: Path, variant: Variant, rounds: int) -> list[dict[str, Any]]:
    """One record per length."""
    manifest = Manifest.read(bundle)
    threads = physical_cores()
    record = manifest.variant(variant)
    backend = open_backend(bundle, manifest, record, Engine.of(variant), threads=threads)
    random = np.random.default_rng(0)
    records = []
    with ThreadPoolExecutor(threads) as pool:
        for length in LENGTHS:
            count = threads * max(2, 128 // length)
            ids = random.integers(*_IDS, (count, length)).tolist()
            ways = cases(backend, ids, pool)
            best = dict.fromkeys(ways, float("inf"))
            for _ in range(rounds):
                for name, run in ways.items():
                    start = time.perf_counter()
                    run()
                    best[name] = min(best[name], time.perf_counter() - start)
            record = {name: round(1000 * value / count, 2) for name, value in best.items()}
            records.append({"name": variant.value, "tokens": length, **record})
    backend.close()
    return records


def as_text(records: Sequence[Mapping[str, Any]]) -> str:
    """The table for the terminal."""
    columns = list(records[0])
    lines = ["  ".join(f"{column:>12}" for column in columns)]
    lines += ["  ".join(f"{r[column]:>12}" for column in columns) for r in records]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--variant", action="append", required=True, type=Variant.parse)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        records = [
            record
            for variant in arguments.variant
            for record in measure(arguments.bundle, variant, arguments.rounds)
        ]
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(as_text(records))
    if arguments.json:
        write_record(arguments.json, records)
    return 0


if __name__ == "__main__":
    sys.exit(main())
