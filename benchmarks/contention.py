"""Latency beside other busy processes, against latency alone: it may grow in proportion only.

    python benchmarks/contention.py --json benchmarks/results/contention.json

Every engine lives in a process of its own. Texts of two lengths are embedded one after the other,
alone and beside one and two processes that compute without a pause. All cases take turns, round
after round, so that what else runs on the machine hits all alike. With B busy processes on C cores
a call of C threads gets C of C + B shares of the machine: its fair ratio is (C + B) / C. One thread
beside fewer than C busy processes has a core of its own, and its fair ratio is 1.

The variants in llama.cpp are measured once more as GCC's libgomp waits by itself: its threads spin.
ondol lets them sleep (runtime/llama_library.py). GOMP_SPINCOUNT overrules that (libgomp manual,
"GOMP_SPINCOUNT"), and 300,000 is the default that the manual states.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from record import write_record

from ondol import Embedder
from ondol.benchmarks.workload import single_texts
from ondol.errors import OndolError
from ondol.manifest import Manifest
from ondol.runtime.cores import physical_cores
from ondol.runtime.default import default_bundle
from ondol.runtime.tokenize import TextTokenizer

#: Tokens of a text. The shortest runs on one thread (ondol.runtime.backend.WORTH_ALL_THREADS).
LENGTHS = (16, 64)

#: Busy processes.
BUSY = (0, 1, 2)

#: However long they take: threads that spin beside busy processes need seconds for a call.
LEAST_CALLS = 3

SPINNING = {"GOMP_SPINCOUNT": "300000"}

#: Says when it begins.
_BUSY_PROGRAM = """
print("busy", flush=True)
while True:
    pass
"""


@dataclass(frozen=True)
class Setting:
    """One row: a variant, and environment variables that its process gets."""

    name: str
    variant: str
    environment: Mapping[str, str] = field(default_factory=dict)


def settings(manifest: Manifest) -> list[Setting]:
    """The bundle's variants, those of llama.cpp also with threads that spin."""
    result = []
    for record in manifest.variants:
        result.append(Setting(record.name.value, record.name.value))
        if record.name.format == "gguf":
            name = f"{record.name}, threads that spin"
            result.append(Setting(name, record.name.value, SPINNING))
    return result


def texts_by_length(bundle: Path) -> Mapping[int, str]:
    """A text for each of LENGTHS and others."""
    manifest = Manifest.read(bundle)
    most = manifest.architecture.max_tokens
    tokenizer = TextTokenizer(bundle / manifest.tokenizer.path, max_tokens=most)
    return single_texts(lambda texts: [len(ids) for ids in tokenizer(texts).ids], most)


class EngineProcess:
    """One setting's model in a process of its own."""

    def __init__(self, bundle: Path, setting: Setting, texts: Mapping[int, str]) -> None:
        self.name = setting.name
        self._pool = ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_open,
            initargs=(bundle, setting, dict(texts)),
        )

    def seconds(self, length: int, least_seconds: float) -> list[float]:
        """Of each call with the text of that length, for so long, and LEAST_CALLS at least."""
        return self._pool.submit(_call, length, least_seconds).result()

    def __enter__(self) -> "EngineProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()


_model: Embedder
_texts: Mapping[int, str]


def _open(bundle: Path, setting: Setting, texts: Mapping[int, str]) -> None:
    global _model, _texts
    # llama.cpp's OpenMP reads it when it is loaded, which is now.
    os.environ.update(setting.environment)
    _model, _texts = Embedder(bundle, variant=setting.variant), texts
    for length in LENGTHS:
        for _ in range(2):  # the second call that is alone opens what all threads run on
            _model.encode(_texts[length])


def _call(length: int, least_seconds: float) -> list[float]:
    result: list[float] = []
    began = time.perf_counter()
    while len(result) < LEAST_CALLS or time.perf_counter() - began < least_seconds:
        started = time.perf_counter()
        _model.encode(_texts[length])
        result.append(time.perf_counter() - started)
    return result


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """So many processes compute as long as the block runs."""
    processes: list[subprocess.Popen[str]] = []
    try:
        for _ in range(count):
            command = [sys.executable, "-I", "-S", "-c", _BUSY_PROGRAM]
            processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def measure(
    bundle: Path, wanted: Sequence[Setting], rounds: int, least_seconds: float
) -> list[dict[str, Any]]:
    """One record per setting, length and number of busy processes."""
    seconds: dict[tuple[str, int, int], list[float]] = {
        (setting.name, length, busy): []
        for setting in wanted
        for length in LENGTHS
        for busy in BUSY
    }
    texts = texts_by_length(bundle)
    with ExitStack() as stack:
        engines = [stack.enter_context(EngineProcess(bundle, setting, texts)) for setting in wanted]
        for engine in engines:
            engine.seconds(LENGTHS[0], 0)  # opened before anything is timed
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for busy in BUSY:
                with busy_processes(busy):
                    for engine in engines:
                        for length in LENGTHS:
                            found = engine.seconds(length, least_seconds)
                            seconds[engine.name, length, busy] += found
    records = []
    for (name, length, busy), taken in seconds.items():
        alone = seconds[name, length, 0]
        records.append(
            {
                "name": name,
                "tokens": length,
                "busy": busy,
                "calls": len(taken),
                "p50_ms": _milliseconds(taken, 50),
                "p99_ms": _milliseconds(taken, 99),
                "p50_ratio": round(float(np.percentile(taken, 50) / np.percentile(alone, 50)), 2),
            }
        )
    return records


def _milliseconds(seconds: Sequence[float], percentile: float) -> float:
    return round(1e3 * float(np.percentile(seconds, percentile)), 2)


def as_text(records: Sequence[Mapping[str, Any]]) -> str:
    """The table for the terminal."""
    width = max(len(r["name"]) for r in records)
    lines = [
        f"{'':<{width}}  tokens  busy  calls    p50 ms    p99 ms  ratio",
        *(
            f"{r['name']:<{width}}  {r['tokens']:>6}  {r['busy']:>4}  {r['calls']:>5}  "
            f"{r['p50_ms']:>8.2f}  {r['p99_ms']:>8.2f}  {r['p50_ratio']:>5.2f}"
            for r in records
        ),
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="default: the one in the package")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--seconds", type=float, default=1, help="of each case; default 1")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        bundle = arguments.bundle or default_bundle()
        wanted = settings(Manifest.read(bundle))
        records = measure(bundle, wanted, arguments.rounds, arguments.seconds)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(as_text(records))
    if arguments.json:
        results = {"cores": physical_cores(), "cases": records}
        write_record(arguments.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
