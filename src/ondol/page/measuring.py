"""`ondol bench` in a process of its own, so that the server goes on answering."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Self

from ondol.benchmarks.results import BenchReport
from ondol.errors import InputError
from ondol.manifest import Manifest

#: Seconds after which a measurement that was told to stop is ended.
_GRACE = 10.0

#: Exit codes of `ondol bench` after which there are results.
_MEASURED = (0, 3)
_STOPPED = 130


class State(Enum):
    """Where a measurement stands."""

    NONE = "none"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Snapshot:
    """What is known of a measurement.

    Attributes:
        progress: the last line that `ondol bench` wrote.
        report: the last results there are, of this run or of one before.
    """

    state: State
    progress: str
    report: BenchReport | None


class Measuring:
    """Measures a bundle when it is told to. After `close` nothing runs any more.

    Args:
        command: a program that does what `ondol bench` does; `--out DIR` is added to it.
        report: results of an earlier run.
    """

    def __init__(self, command: Sequence[str], report: BenchReport | None = None) -> None:
        self._command = tuple(command)
        self._lock = threading.Lock()
        state = State.NONE if report is None else State.DONE
        self._snapshot = Snapshot(state, "", report)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._told_to_stop = False

    @classmethod
    def of(cls, bundle: Path, *, threads: int, report: BenchReport | None = None) -> Self:
        """Measures all variants of a bundle."""
        bench = (sys.executable, "-m", "ondol", "bench", str(bundle), "--threads", str(threads))
        return cls(bench, report)

    @property
    def snapshot(self) -> Snapshot:
        """Where it stands now."""
        with self._lock:
            return self._snapshot

    def start(self) -> None:
        """Measure, if that is not happening already. Returns at once."""
        with self._lock:
            if self._snapshot.state is State.RUNNING:
                return
            folder = tempfile.TemporaryDirectory(prefix="ondol-bench-")
            self._process = subprocess.Popen(
                (*self._command, "--out", folder.name),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                # It starts processes itself; all of them get the signal that stops it.
                start_new_session=True,
            )
            self._snapshot = Snapshot(State.RUNNING, "", self._snapshot.report)
            self._told_to_stop = False
            self._reader = threading.Thread(
                target=self._read, args=(self._process, folder), name="ondol-bench", daemon=True
            )
            self._reader.start()

    def stop(self) -> None:
        """As Ctrl-C does: what was measured until then stays. Returns at once."""
        with self._lock:
            process = self._process if self._snapshot.state is State.RUNNING else None
            self._told_to_stop = True
        if process is not None:
            _signal(process, signal.SIGINT)
            late = threading.Timer(_GRACE, _kill, [process])
            late.daemon = True
            late.start()

    def close(self) -> None:
        """End a measurement that runs."""
        with self._lock:
            process, reader = self._process, self._reader
            self._told_to_stop = True
        if process is not None and reader is not None:
            _kill(process)
            reader.join()

    def _read(
        self, process: subprocess.Popen[str], folder: tempfile.TemporaryDirectory[str]
    ) -> None:
        with folder, process:
            for line in process.stderr or ():
                with self._lock:
                    self._snapshot = Snapshot(State.RUNNING, line.strip(), self._snapshot.report)
            code = process.wait()
            try:
                report: BenchReport | None = read_report(Path(folder.name) / "bench.json")
            except InputError:
                report = None
            with self._lock:
                if self._told_to_stop or code == _STOPPED:
                    state = State.STOPPED
                else:
                    measured = code in _MEASURED and report is not None
                    state = State.DONE if measured else State.FAILED
                before = self._snapshot
                self._snapshot = Snapshot(state, before.progress, report or before.report)


def read_report(path: Path) -> BenchReport:
    """Results that `ondol bench --out DIR` wrote, or `ondol bench --json` printed.

    Raises InputError if they cannot be read.
    """
    try:
        return BenchReport.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, InputError) as error:
        raise InputError(
            f"cannot read {path} ({error}); expected bench.json, as `ondol bench --out DIR` "
            "writes it into DIR"
        ) from error


def earlier_report(path: Path, manifest: Manifest) -> BenchReport:
    """`read_report` of a file with results of this model.

    Raises InputError also if they are another model's.
    """
    report = read_report(path)
    expected = (manifest.source.id, manifest.architecture.layers, manifest.vocabulary.rows)
    found = tuple(report.model.get(name) for name in ("source", "layers", "rows"))
    if found != expected:
        raise InputError(
            f"{path} holds results of another model (source, layers and rows are {found}, "
            f"expected {expected}): measure this one with `ondol bench`"
        )
    return report


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    if process.poll() is not None:
        return
    if os.name == "posix":
        with suppress(ProcessLookupError):  # it may end at this very moment
            os.killpg(process.pid, number)
    else:
        process.terminate()


def _kill(process: subprocess.Popen[str]) -> None:
    _signal(process, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
