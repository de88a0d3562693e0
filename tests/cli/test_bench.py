"""`ondol bench` on a tiny bundle: what it prints and writes, how it stops, and its exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ondol.benchmarks import measure
from ondol.benchmarks.measure import Effort
from ondol.benchmarks.results import BenchReport, Status
from ondol.cli import main
from ondol.cli.bench import exit_code
from ondol.cli.options import FAILED
from ondol.variants import Variant

FILES = {
    "bench.json", "report.html", "size-quality.svg", "latency-length.svg",
    "throughput-threads.svg",
}  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One round of few calls."""
    effort = Effort(rounds=1, seconds=0.0, least_calls=3, most_calls=3)
    monkeypatch.setattr(measure, "DEFAULT_EFFORT", effort)


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle to damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def report_of(out: str) -> BenchReport:
    return BenchReport.from_json(out)


@pytest.mark.usefixtures("quick")
def test_the_table_names_variant_machine_and_lengths(tiny_bundle: Path, capsys: Any) -> None:
    assert main(["bench", str(tiny_bundle), "--threads", "2"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    (row,) = (line.split() for line in lines if line.startswith("onnx-fp32  onnxruntime"))
    size = (tiny_bundle / "onnx" / "model-fp32.onnx").stat().st_size
    assert row[2:4] == ["ok", f"{size:,}"]
    assert row[-2:] == ["1.000000", "1.000000"]
    # The tiny model takes 24 tokens, so that the longer lengths are left out.
    assert "variant    16 p50  16 p95" in lines
    assert "variant    1 thread  2 threads" in lines
    assert f"command       ondol bench {tiny_bundle} --threads 2" in lines
    assert "onnx-fp32: round 1 of 1" in captured.err


@pytest.mark.usefixtures("quick")
def test_json_holds_every_measurement(tiny_bundle: Path, capsys: Any) -> None:
    assert main(["bench", str(tiny_bundle), "--threads", "1", "--json"]) == 0
    report = report_of(capsys.readouterr().out)
    (variant,) = report.variants
    assert report.complete
    assert variant.status is Status.OK
    assert variant.quality is not None
    assert variant.quality.min_cosine >= variant.quality.floor
    (latency,) = variant.latency
    assert (latency.tokens, latency.calls) == (16, 3)
    assert 0 < latency.p50_ms <= latency.p95_ms
    (throughput,) = variant.throughput
    assert throughput.threads == 1
    seconds = report.texts / throughput.texts_per_second
    assert throughput.tokens_per_second * seconds == pytest.approx(report.tokens)
    # A process that imports numpy and onnxruntime needs more than these.
    assert variant.cold_start_ms is not None
    assert variant.cold_start_ms > 50
    assert variant.peak_bytes is not None
    assert variant.peak_bytes > 20e6


@pytest.mark.usefixtures("quick")
def test_out_writes_a_page_plots_and_json_and_replaces_them(
    tiny_bundle: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "new" / "report"
    for _ in range(2):
        assert main(["bench", str(tiny_bundle), "--threads", "1", "--json", "--out", str(out)]) == 0
        printed = capsys.readouterr().out
        assert {path.name for path in out.iterdir()} == FILES
        assert (out / "bench.json").read_text("utf-8") == printed
    assert "onnx-fp32" in (out / "report.html").read_text("utf-8")


@pytest.mark.usefixtures("quick")
def test_a_damaged_variant_is_a_row_and_the_rest_goes_on(
    multiple: Path, tmp_path: Path, capsys: Any
) -> None:
    bundle = Path(shutil.copytree(multiple, tmp_path / "bundle"))
    path = bundle / Variant.ONNX_INT8.path
    path.write_bytes(path.read_bytes()[:-1])
    names = ["--variant", "onnx-int8", "--variant", "onnx-fp32"]
    assert main(["bench", str(bundle), *names, "--threads", "1"]) == FAILED
    out = capsys.readouterr().out
    assert "onnx-int8  onnxruntime  FAILED" in out
    assert "onnx-fp32  onnxruntime  ok" in out
    assert "onnx-int8: " in out
    assert "the file is damaged or from another build" in out


@pytest.fixture
def multiple(tmp_path_factory: pytest.TempPathFactory, make_checkpoint: Any, capsys: Any) -> Path:
    """A bundle of two variants."""
    bundle = tmp_path_factory.mktemp("two") / "bundle"
    options = ["--keep-vocab", "--variants", "onnx-fp32,onnx-int8"]
    assert main(["build", str(make_checkpoint()), "--out", str(bundle), *options]) == 0
    capsys.readouterr()
    return bundle


@pytest.mark.usefixtures("quick")
def test_a_variant_below_its_floor_fails(copy: Path, capsys: Any) -> None:
    import numpy as np

    from ondol.manifest import FileRecord

    # Only the last reference vector is wrong: a load, which looks at the first ones, still works.
    vectors = np.load(copy / "reference.npy")
    vectors[-1] = -vectors[-1]
    np.save(copy / "reference.npy", vectors)
    manifest = json.loads((copy / "ondol.json").read_text("utf-8"))
    manifest["reference"]["vectors"] = vars(FileRecord.of(copy / "reference.npy", copy))
    (copy / "ondol.json").write_text(json.dumps(manifest), "utf-8")
    assert main(["bench", str(copy), "--threads", "1", "--json"]) == FAILED
    (variant,) = report_of(capsys.readouterr().out).variants
    assert variant.status is Status.FAILED
    assert f"of reference text {len(vectors) - 1}; its floor is 0.99999" in str(variant.problem)


@pytest.mark.usefixtures("quick")
def test_a_variant_without_its_engine_is_skipped_with_the_command(
    tiny_bundle: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ondol.errors import MissingDependencyError
    from ondol.runtime import opened

    def open_backend(*args: Any, **options: Any) -> None:
        raise MissingDependencyError("running GGUF variants", "llama-cpp-python", "gguf")

    monkeypatch.setattr(opened, "open_backend", open_backend)
    assert main(["bench", str(tiny_bundle)]) == FAILED  # nothing at all was measured
    out = capsys.readouterr().out
    assert "onnx-fp32  onnxruntime  skipped" in out
    assert "pip install 'ondol[gguf]'" in out


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("step", ["_take_turn", "_time_calls"])
def test_ctrl_c_keeps_what_was_measured(
    tiny_bundle: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measure.Measurement, step, interrupt)
    out = tmp_path / "report"
    assert main(["bench", str(tiny_bundle), "--threads", "1", "--out", str(out)]) == 130
    captured = capsys.readouterr()
    assert "onnx-fp32  onnxruntime  not finished" in captured.out
    assert "Stopped before the end" in captured.out
    report = report_of((out / "bench.json").read_text("utf-8"))
    assert not report.complete
    (variant,) = report.variants
    assert variant.quality is not None
    assert variant.peak_bytes is not None
    assert variant.cold_start_ms is None
    assert variant.latency == ()
    assert "Stopped before the end" in (out / "report.html").read_text("utf-8")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_real_signal_ends_with_its_code_and_a_table(
    tiny_bundle: Path, number: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-m", "ondol", "bench", str(tiny_bundle), "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    while b"round 2" not in (line := process.stderr.readline()):
        assert line, "it ended before the second round"
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in stderr
    assert b"stopped; what was measured until now:" in stderr
    (row,) = (line for line in stdout.splitlines() if line.startswith(b"onnx-fp32  onnxruntime"))
    assert b"not finished" in row
    assert b"1.000000" in row


def test_errors_that_come_before_any_measurement(
    tiny_bundle: Path, tmp_path: Path, capsys: Any
) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    for options, message in (
        ([str(tmp_path / "none")], "is not a directory; expected a bundle"),
        ([str(tiny_bundle), "--variant", "gguf-f16"], "the bundle has no variant gguf-f16"),
        ([str(tiny_bundle), "--out", str(file)], "is a file; expected a directory"),
        ([str(tiny_bundle), "--out", str(file / "report")], "cannot write into"),
    ):
        assert main(["bench", *options]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert message in captured.err
        assert captured.err.count("\n") == 1
    assert file.read_text() == "kept"


@pytest.mark.parametrize(
    ("statuses", "named", "code"),
    [
        ([Status.OK, Status.SKIPPED], False, 0),
        ([Status.OK, Status.SKIPPED], True, FAILED),
        ([Status.SKIPPED], False, FAILED),
        ([Status.OK, Status.FAILED], False, FAILED),
    ],
)
def test_exit_codes(statuses: list[Status], named: bool, code: int) -> None:
    from types import SimpleNamespace

    variants = [SimpleNamespace(status=status) for status in statuses]
    assert exit_code(SimpleNamespace(variants=variants), named=named) == code  # type: ignore[arg-type]


def test_help_and_measuring_load_nothing_heavy() -> None:
    for words, banned in (
        ("['bench', '--help']", ("numpy", "onnxruntime", "tokenizers")),
        ("['bench', '/nothing/there']", ("torch", "transformers", "matplotlib", "llama_cpp")),
    ):
        program = (
            "import contextlib, sys, ondol.cli\n"
            f"with contextlib.suppress(SystemExit): ondol.cli.main({words})\n"
            f"sys.exit(bool(set({banned!r}) & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True)
        assert done.returncode == 0, done.stderr


def test_a_reranker_is_refused_at_once(tiny_reranker: Path, capsys: Any) -> None:
    assert main(["bench", str(tiny_reranker / "bundle")]) == 1
    assert "is a reranker bundle" in capsys.readouterr().err
