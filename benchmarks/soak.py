"""Mixed calls from several threads for an hour: does memory grow, or do calls become slower?

    python benchmarks/soak.py --minutes 60 --json benchmarks/results/soak.json

Every variant lives in a process of its own, all at the same time. Its threads share one `Embedder`
and call it with queries, passages and batches of both, each with a pause in between, so that there
is something to measure beside the rest of the machine. Every vector is compared, bit by bit, with
the one that the text got alone before the threads started.

Memory is what is resident at the end of each minute, mapped files included. Latency is that of the
calls with one query, in percentiles of each minute. Slopes are least squares over the second half
of the minutes, with their standard errors: in the first half pools and caches fill. Other processes
on the machine make calls slower; they do not make memory grow.

The numbers of the minutes that have passed are kept if it is stopped.
"""

import argparse
import multiprocessing
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
from footprint import footprint, second_half_slope
from numpy.typing import NDArray
from record import write_record

from ondol import Embedder
from ondol.benchmarks.workload import mixed_texts
from ondol.errors import OndolError
from ondol.manifest import Manifest
from ondol.runtime.default import default_bundle

#: Texts of a batch.
BATCH = 8

#: Shares of the kinds of calls: one query, one passage, a batch.
SHARES = {"query": 0.7, "passage": 0.2, "batch": 0.1}

#: Fewer minutes have no second half to draw a line through.
LEAST_MINUTES = 6

Expected = dict[str, NDArray[np.float32]]


class Callers:
    """Threads that call one model, and the seconds of their query calls."""

    def __init__(self, model: Embedder, threads: int, pause: float) -> None:
        self._model = model
        self._pause = pause
        by_length = sorted(mixed_texts(), key=len)
        self._passages, self._queries = by_length[-16:], by_length[:-16]
        self._expected: Expected = {text: model.encode(text) for text in by_length}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._seconds: list[float] = []
        self._calls = 0
        self._problem: str | None = None
        self._threads = [
            threading.Thread(target=self._call_again_and_again, args=(seed,))
            for seed in range(threads)
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """They call as long as the block runs."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def take(self) -> tuple[int, list[float]]:
        """The number of calls since it was asked last, and the seconds of those with one query.

        Raises OSError if a call failed or returned another vector.
        """
        with self._lock:
            if self._problem is not None:
                raise OSError(self._problem)
            taken = self._calls, self._seconds
            self._calls, self._seconds = 0, []
        return taken

    def _call_again_and_again(self, seed: int) -> None:
        rng = random.Random(seed)
        while not self._stop.wait(self._pause):
            (kind,) = rng.choices(list(SHARES), list(SHARES.values()))
            try:
                self._call(kind, rng)
            except Exception as error:  # an engine's bare exception is a finding too
                with self._lock:
                    self._problem = f"{kind}: {error!r}"
                return

    def _call(self, kind: str, rng: random.Random) -> None:
        pool = {"query": self._queries, "passage": self._passages}.get(kind)
        texts = [rng.choice(pool)] if pool else rng.sample([*self._expected], BATCH)
        started = time.perf_counter()
        vectors = self._model.encode(texts)
        seconds = time.perf_counter() - started
        for text, vector in zip(texts, vectors, strict=True):
            if vector.tobytes() != self._expected[text].tobytes():
                raise OSError(f"another vector than alone for {text!r}")
        with self._lock:
            self._calls += 1
            if kind == "query":
                self._seconds.append(seconds)


def soak(
    bundle: Path, variant: str, minutes: int, threads: int, pause: float, results: Connection
) -> None:
    """Send one record per minute, or what went wrong as a str. Runs in a process of its own."""
    try:
        with Embedder(bundle, variant=variant) as model:
            callers = Callers(model, threads, pause)
            with callers.running():
                started = time.monotonic()
                for minute in range(1, minutes + 1):
                    time.sleep(max(0.0, started + 60 * minute - time.monotonic()))
                    results.send(_minute(variant, minute, *callers.take()))
    except (OndolError, OSError) as error:
        results.send(f"{variant}: {error}")
    finally:
        results.close()


def _minute(variant: str, minute: int, calls: int, seconds: Sequence[float]) -> dict[str, Any]:
    if not seconds:
        raise OSError(f"no query was answered in minute {minute}")
    return {
        "variant": variant,
        "minute": minute,
        "calls": calls,
        "p50_ms": round(1e3 * float(np.percentile(seconds, 50)), 3),
        "p99_ms": round(1e3 * float(np.percentile(seconds, 99)), 3),
        **asdict(footprint()),
    }


def received(
    bundle: Path, variants: Sequence[str], minutes: int, threads: int, pause: float
) -> Iterator[dict[str, Any]]:
    """The records of all variants as they come. Raises OSError if a process meets an error."""
    context = multiprocessing.get_context("spawn")
    processes, open_pipes = [], []
    try:
        for variant in variants:
            receiver, sender = context.Pipe(duplex=False)
            arguments = (bundle, variant, minutes, threads, pause, sender)
            process = context.Process(target=soak, args=arguments, daemon=True)
            process.start()
            sender.close()
            processes.append(process)
            open_pipes.append(receiver)
        while open_pipes:
            for pipe in wait(open_pipes):
                assert isinstance(pipe, Connection)
                try:
                    record = pipe.recv()
                except EOFError:
                    open_pipes.remove(pipe)
                    continue
                if isinstance(record, str):
                    raise OSError(record)
                yield record
        for process in processes:
            process.join()
            if process.exitcode:
                raise OSError(f"a process ended with {process.exitcode}")
    finally:
        for process in processes:
            process.kill()


def slopes(minutes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of one variant's minutes: growth per hour over the second half."""
    hours = [record["minute"] / 60 for record in minutes]
    result = {}
    for name in ("resident_bytes", "p50_ms", "p99_ms"):
        line = second_half_slope(hours, [record[name] for record in minutes])
        result[f"{name}_per_hour"] = round(line.value, 3)
        result[f"{name}_per_hour_error"] = round(line.standard_error, 3)
    return result


def summary(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record per variant: slopes, and the ends of what was measured."""
    result = []
    for variant in dict.fromkeys(record["variant"] for record in records):
        minutes = [record for record in records if record["variant"] == variant]
        last = minutes[-1]
        result.append(
            {
                "variant": variant,
                "minutes": len(minutes),
                "calls": sum(record["calls"] for record in minutes),
                "most_resident_bytes": max(record["resident_bytes"] for record in minutes),
                "descriptors": last["descriptors"],
                "threads": last["threads"],
                **(slopes(minutes) if len(minutes) >= LEAST_MINUTES else {}),
            }
        )
    return result


def as_text(variants: Sequence[dict[str, Any]]) -> str:
    """For the terminal."""
    lines = []
    for r in variants:
        lines.append(
            f"{r['variant']}: {r['minutes']} minutes, {r['calls']:,} calls, at most "
            f"{r['most_resident_bytes'] / 1e6:.1f} MB, {r['descriptors']} descriptors, "
            f"{r['threads']} threads"
        )
        if "p50_ms_per_hour" in r:
            lines += [
                f"  {name:<9} {r[key] / scale:+9.3f} ± {r[f'{key}_error'] / scale:.3f} {unit}/hour"
                for name, key, scale, unit in (
                    ("resident", "resident_bytes_per_hour", 1e6, "MB"),
                    ("p50", "p50_ms_per_hour", 1, "ms"),
                    ("p99", "p99_ms_per_hour", 1, "ms"),
                )
            ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="default: the one in the package")
    parser.add_argument("--variant", action="append", help="default: every one of the bundle")
    parser.add_argument("--minutes", type=int, default=60, help="default 60")
    parser.add_argument("--threads", type=int, default=4, help="of each process; default 4")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds; default 0.1")
    parser.add_argument("--json", type=Path, help="write the numbers to this file every minute")
    arguments = parser.parse_args()
    records: list[dict[str, Any]] = []
    results: dict[str, Any] = {"threads": arguments.threads, "pause_seconds": arguments.pause}
    try:
        bundle = arguments.bundle or default_bundle()
        variants = arguments.variant or [r.name.value for r in Manifest.read(bundle).variants]
        for record in received(
            bundle, variants, arguments.minutes, arguments.threads, arguments.pause
        ):
            records.append(record)
            results |= {"variants": summary(records), "per_minute": records}
            if arguments.json:
                write_record(arguments.json, results)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    print(as_text(summary(records)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
