"""What the tables show of a report."""

import dataclasses

from ondol.benchmarks.results import BenchReport
from ondol.benchmarks.tables import (
    latency_table,
    machine_rows,
    notes,
    summary_table,
    threads_table,
)


def test_the_summary_has_a_row_for_every_variant(report: BenchReport) -> None:
    table = summary_table(report)
    measured = (
        "onnx-int8", "onnxruntime", "ok", "38,300,000", "412", "127", "96.5", "4,825",
        "0.999100", "0.998400",
    )  # fmt: skip
    assert table.rows[0] == measured
    assert table.rows[1] == ("gguf-q8_0", "llama.cpp", "skipped", "41,600,000", *("-",) * 6)
    assert table.rows[2][2] == "not finished"
    assert "64 mixed texts (3,200 tokens)" in table.caption


def test_latency_has_two_columns_for_each_length(report: BenchReport) -> None:
    table = latency_table(report)
    assert table.header == (
        "variant", "16 p50", "16 p95", "256 p50", "256 p95",
    )  # fmt: skip
    assert table.rows == (
        ("onnx-int8", "2.12", "2.50", "30.0", "152"),
        ("onnx-fp32", "5.25", "6.00", "-", "-"),
    )


def test_throughput_by_threads(report: BenchReport) -> None:
    table = threads_table(report)
    assert table.header == ("variant", "1 thread", "2 threads")
    assert table.rows == (("onnx-int8", "2,500", "4,825"),)


def test_notes_give_the_reason_and_say_that_the_run_was_stopped(report: BenchReport) -> None:
    skipped, stopped = notes(report)
    assert skipped == "gguf-q8_0: needs <llama-cpp-python>: pip install 'ondol[gguf]'"
    assert stopped.startswith("Stopped before the end")


def test_a_note_says_that_a_system_cannot_measure_processes(report: BenchReport) -> None:
    first = dataclasses.replace(report.variants[0], cold_start_ms=None, peak_bytes=None)
    (note,) = notes(dataclasses.replace(report, variants=(first,)))
    assert note.startswith("Linux 6 does not say what a process needed")


def test_machine_and_versions_are_named(report: BenchReport) -> None:
    facts = machine_rows(report)
    assert facts["instructions"] == "avx2, avx512_vnni"
    assert facts["cores"] == "2 physical; 2 threads used"
    assert "onnxruntime 1.32, llama-cpp-python missing" in facts["versions"]
    assert facts["model"] == "a/b (bert, 12 layers, 384 dimensions, 41,348 rows)"
