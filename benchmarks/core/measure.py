"""Measures the variants of a bundle, in turns, so that a busy moment of the machine hits all."""

import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import ondol
from ondol.benchmarks import process
from ondol.benchmarks.results import (
    BenchReport,
    Latency,
    Quality,
    Status,
    Throughput,
    VariantResult,
)
from ondol.benchmarks.workload import mixed_texts, single_texts
from ondol.engine import Engine
from ondol.errors import MissingDependencyError, OndolError
from ondol.machine import machine_facts
from ondol.manifest import Manifest, VariantRecord
from ondol.runtime.embedder import Embedder
from ondol.runtime.parity import measure_parity
from ondol.runtime.reports import TruncationWarning
from ondol.runtime.tokenize import TextTokenizer

#: Every how many texts of the workload a throughput call is warmed up with.
_WARM_UP_STRIDE = 8

#: A user's first vector: imports, load with all checks, one short text.
_FIRST_VECTOR = """
import sys
from ondol import Embedder
bundle, variant, engine, threads = sys.argv[1:]
Embedder(bundle, variant=variant, engine=engine, threads=int(threads)).encode("한 문장")
print(flush=True)
"""

_WHOLE_WORKLOAD = """
import sys
from ondol import Embedder
from ondol.benchmarks.workload import mixed_texts
bundle, variant, engine, threads = sys.argv[1:]
Embedder(bundle, variant=variant, engine=engine, threads=int(threads)).encode(mixed_texts())
"""


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        rounds: turns of each variant, from 1.
        seconds: that the calls of one length take in a round, if that is more than `least_calls`.
        least_calls, most_calls: timed in a round, for each length.
    """

    rounds: int
    seconds: float
    least_calls: int
    most_calls: int

    def __post_init__(self) -> None:
        if self.rounds < 1 or not 1 <= self.least_calls <= self.most_calls:
            raise ValueError(f"expected at least one round and one call, got {self}")


#: At least 20 calls of each length, so that one in twenty lies above the 95th percentile.
DEFAULT_EFFORT = Effort(rounds=5, seconds=0.4, least_calls=4, most_calls=100)


@dataclass
class _Row:
    """What is known about one variant so far; seconds and bytes."""

    record: VariantRecord
    engine: Engine
    status: Status = Status.STOPPED
    problem: str | None = None
    quality: Quality | None = None
    cold_starts: list[float] = field(default_factory=list)
    peak_bytes: int | None = None
    calls: dict[int, list[float]] = field(default_factory=dict)
    workloads: dict[int, list[float]] = field(default_factory=dict)
    turn_seconds: float | None = None

    @property
    def running(self) -> bool:
        return self.status is Status.STOPPED


class Measurement:
    """A run over some variants of a bundle; `report` tells at any time what it has found.

    One model is open at a time, so that a large bundle needs no more memory than one variant.

    Args:
        records: the variants to measure, in the order of the report.
        engine: that runs all of them; None takes for each the one that it has by default.
        threads: of the engine. Throughput is measured with 1, 2, 4, … up to this many too.
        command: the command line, for the report.
        report_progress: called with one line whenever something begins.
    """

    def __init__(
        self,
        bundle: Path,
        manifest: Manifest,
        records: Sequence[VariantRecord],
        *,
        engine: Engine | None,
        threads: int,
        command: str,
        effort: Effort,
        report_progress: Callable[[str], None],
    ) -> None:
        self._bundle = bundle
        self._manifest = manifest
        self._threads = threads
        self._command = command
        self._effort = effort
        self._report_progress = report_progress
        self._rows = [_Row(record, engine or Engine.of(record.name)) for record in records]
        self._texts = mixed_texts()
        tokenizer = TextTokenizer(
            bundle / manifest.tokenizer.path, max_tokens=manifest.architecture.max_tokens
        )
        self._tokens = sum(len(ids) for ids in tokenizer(self._texts).ids)
        self._singles = single_texts(
            lambda texts: [len(ids) for ids in tokenizer(texts).ids],
            manifest.architecture.max_tokens,
        )

    def run(self) -> None:
        """Measure. A variant that cannot be loaded or fails later is a row of the report.

        Ctrl-C is passed on, and what was measured until then stays.
        """
        with warnings.catch_warnings():
            # A model for short texts cuts the long ones of the workload; their tokens are counted
            # as they are after that.
            warnings.simplefilter("ignore", TruncationWarning)
            self._run()

    def _run(self) -> None:
        for row in self._rows:
            self._report_progress(f"{row.record.name}: load, parity, memory")
            self._attempt(row, self._prepare)
        for number in range(self._effort.rounds):
            for index, row in enumerate(self._rows):
                if row.running:
                    self._report_progress(
                        f"{row.record.name}: round {number + 1} of {self._effort.rounds}"
                        f"{self._time_left(number, index)}"
                    )
                    started = time.monotonic()
                    self._attempt(row, self._take_turn)
                    row.turn_seconds = time.monotonic() - started
        for row in self._rows:
            if row.running:
                row.status = Status.OK

    def report(self) -> BenchReport:
        """What is known now."""
        shape = self._manifest.architecture
        return BenchReport(
            command=self._command,
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
            bundle=str(self._bundle),
            model={
                "source": self._manifest.source.id,
                "type": shape.model_type,
                "layers": shape.layers,
                "dimensions": shape.hidden_size,
                "rows": self._manifest.vocabulary.rows,
            },
            machine={**machine_facts(), "ondol": ondol.__version__},
            threads=self._threads,
            texts=len(self._texts),
            tokens=self._tokens,
            rounds=self._effort.rounds,
            complete=not any(row.running for row in self._rows),
            variants=tuple(self._result(row) for row in self._rows),
        )

    def _attempt(self, row: _Row, step: Callable[[_Row], None]) -> None:
        try:
            step(row)
        except MissingDependencyError as error:
            row.status, row.problem = Status.SKIPPED, str(error)
        # OSError: a fresh process that failed.
        except (OndolError, OSError) as error:
            row.status, row.problem = Status.FAILED, str(error)

    def _prepare(self, row: _Row) -> None:
        with self._open(row, self._threads, check="full") as model:
            found = measure_parity(model)
        floor = row.record.vector_parity.floor
        row.quality = Quality(found.texts, found.mean_cosine, found.min_cosine, floor)
        if not found.min_cosine >= floor:
            row.status = Status.FAILED
            row.problem = (
                f"cosine {found.min_cosine:.6f} to the stored vector of reference text "
                f"{found.worst_text}; its floor is {floor}: see `ondol verify`"
            )
        elif process.AVAILABLE:
            row.peak_bytes = self._in_process(row, _WHOLE_WORKLOAD).peak_bytes

    def _take_turn(self, row: _Row) -> None:
        for threads in reversed(thread_counts(self._threads)):
            # Checked when it was prepared.
            with self._open(row, threads, check="off") as model:
                if threads == self._threads:
                    for length, text in self._singles.items():
                        # Timed first: Ctrl-C must not leave an empty list.
                        calls = self._time_calls(model, text)
                        row.calls.setdefault(length, []).extend(calls)
                model.encode(self._texts[::_WARM_UP_STRIDE])
                started = time.perf_counter()
                model.encode(self._texts)
                seconds = time.perf_counter() - started
                row.workloads.setdefault(threads, []).append(seconds)
        if process.AVAILABLE:
            row.cold_starts.append(self._in_process(row, _FIRST_VECTOR).first_output_seconds)

    def _time_calls(self, model: Embedder, text: str) -> list[float]:
        model.encode(text)
        seconds: list[float] = []
        effort = self._effort
        while len(seconds) < effort.least_calls or (
            len(seconds) < effort.most_calls and sum(seconds) < effort.seconds
        ):
            started = time.perf_counter()
            model.encode(text)
            seconds.append(time.perf_counter() - started)
        return seconds

    def _open(self, row: _Row, threads: int, *, check: str) -> Embedder:
        return Embedder(
            self._bundle,
            variant=row.record.name.value,
            engine=row.engine.value,
            threads=threads,
            check=check,
        )

    def _in_process(self, row: _Row, program: str) -> process.ProcessCost:
        model = (str(self._bundle), row.record.name.value, row.engine.value)
        return process.run_process((sys.executable, "-c", program, *model, str(self._threads)))

    def _time_left(self, number: int, index: int) -> str:
        """From what each variant's last turn took; empty before the first has ended."""
        known = [row.turn_seconds for row in self._rows if row.turn_seconds is not None]
        if not known:
            return ""
        typical = statistics.mean(known)
        left = sum(
            (row.turn_seconds or typical) * (self._effort.rounds - number - (place < index))
            for place, row in enumerate(self._rows)
            if row.running
        )
        return f", about {left:.0f} s left" if left < 90 else f", about {left / 60:.0f} min left"

    def _result(self, row: _Row) -> VariantResult:
        return VariantResult(
            name=row.record.name,
            engine=row.engine,
            bytes=row.record.bytes,
            status=row.status,
            problem=row.problem,
            quality=row.quality,
            cold_start_ms=1000 * statistics.median(row.cold_starts) if row.cold_starts else None,
            peak_bytes=row.peak_bytes,
            latency=tuple(
                Latency(
                    length,
                    1000 * statistics.median(seconds),
                    1000 * percentile(seconds, 0.95),
                    len(seconds),
                )
                for length, seconds in sorted(row.calls.items())
            ),
            throughput=tuple(
                Throughput(
                    threads,
                    len(self._texts) / statistics.median(seconds),
                    self._tokens / statistics.median(seconds),
                    len(seconds),
                )
                for threads, seconds in sorted(row.workloads.items())
            ),
        )


def thread_counts(most: int) -> tuple[int, ...]:
    """1, 2, 4, … below `most`, and `most`: as many as a plot needs, also with 64 cores."""
    counts = [1]
    while counts[-1] * 2 < most:
        counts.append(counts[-1] * 2)
    return (*counts, most) if most > 1 else (1,)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` of them do not exceed (nearest rank).

    values: at least one, in any order. share: above 0, at most 1.
    """
    ordered = sorted(values)
    # Rounded first: 0.95 * 20 is a little more than 19 in binary.
    rank = -(-round(share * len(ordered), 9) // 1)
    return ordered[int(rank) - 1]
