"""A measurement in a process of its own: it is told of, it can be stopped, and it ends with us."""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ondol.benchmarks.results import BenchReport
from ondol.errors import InputError
from ondol.manifest import Manifest
from ondol.page.measuring import Measuring, State, earlier_report, read_report
from ondol.runtime.default import default_bundle

Bench = Callable[..., tuple[str, ...]]


@pytest.fixture
def results(report: BenchReport, tmp_path: Path) -> Path:
    """It as a file."""
    path = tmp_path / "results.json"
    path.write_text(report.to_json(), encoding="utf-8")
    return path


def wait_until(condition: Callable[[], bool]) -> None:
    """At most ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.mark.parametrize("code", [0, 3])
def test_results_are_read_when_it_ends(
    bench: Bench, results: Path, report: BenchReport, code: int
) -> None:
    with closing(Measuring(bench(results=results, code=code))) as measuring:
        measuring.start()
        wait_until(lambda: measuring.snapshot.state is State.DONE)
        assert measuring.snapshot.report == report
        assert measuring.snapshot.progress == "the end"


def test_progress_is_the_last_line(bench: Bench) -> None:
    with closing(Measuring(bench(seconds=60))) as measuring:
        measuring.start()
        wait_until(lambda: measuring.snapshot.progress == "[   0.0 s] onnx-int8: load")


def test_what_was_measured_until_it_is_stopped_stays(
    bench: Bench, results: Path, report: BenchReport
) -> None:
    with closing(Measuring(bench(seconds=60, results=results))) as measuring:
        measuring.start()
        wait_until(lambda: measuring.snapshot.progress != "")
        measuring.stop()
        wait_until(lambda: measuring.snapshot.state is State.STOPPED)
        assert measuring.snapshot.report == report


def test_one_that_does_not_stop_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ondol.page.measuring._GRACE", 0.1)
    command = list(bench(seconds=60))
    command[2] = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + command[2]
    with closing(Measuring(command)) as measuring:
        measuring.start()
        wait_until(lambda: measuring.snapshot.progress != "")
        measuring.stop()
        wait_until(lambda: measuring.snapshot.state is State.STOPPED)


@pytest.mark.parametrize("code", [0, 1])
def test_one_that_fails_keeps_the_results_before(
    bench: Bench, report: BenchReport, code: int
) -> None:
    with closing(Measuring(bench(code=code), report)) as measuring:
        assert measuring.snapshot.state is State.DONE
        measuring.start()
        wait_until(lambda: measuring.snapshot.state is State.FAILED)
        assert measuring.snapshot.report == report


def test_one_that_crashes_has_failed() -> None:
    with closing(Measuring((sys.executable, "-c", "import os; os.abort()"))) as measuring:
        measuring.start()
        wait_until(lambda: measuring.snapshot.state is State.FAILED)


def test_a_second_start_is_the_same_measurement(bench: Bench) -> None:
    with closing(Measuring(bench(seconds=60))) as measuring:
        measuring.start()
        first = measuring._process
        measuring.start()
        assert measuring._process is first
    assert first is not None
    assert first.returncode is not None  # nothing runs on after the end


def test_stopping_nothing_does_nothing(bench: Bench) -> None:
    with closing(Measuring(bench())) as measuring:
        measuring.stop()
        assert measuring.snapshot.state is State.NONE


def test_a_bundle_is_measured_by_ondol_bench() -> None:
    command = Measuring.of(Path("bundle"), threads=2)._command
    assert command[1:] == ("-m", "ondol", "bench", "bundle", "--threads", "2")


def test_results_of_another_model_are_not_taken(results: Path, report: BenchReport) -> None:
    manifest = Manifest.read(default_bundle())
    with pytest.raises(
        InputError, match=r"another model .*\('s', 1, 1\), expected \('standin', 6,"
    ):
        earlier_report(results, manifest)
    own = {"source": "standin", "layers": 6, "rows": manifest.vocabulary.rows}
    results.write_text(replace(report, model=own).to_json(), encoding="utf-8")
    assert earlier_report(results, manifest).model == own


def test_an_unreadable_file_of_results_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected bench\.json"):
        read_report(tmp_path / "none.json")
