"""`ondol embed-dataset` in process."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ondol.cli import main
from ondol.cli.embed_dataset import _DEFAULT_MAX_ERRORS, summary
from ondol.dataset import DEFAULT_MAX_ERRORS, DatasetReport
from ondol.dataset.vectors import VectorType


@pytest.fixture
def source(tmp_path: Path) -> str:
    rows = [{"n": 1, "body": "하나"}, {"n": 2, "body": None}, {"n": 3, "body": "three"}]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def test_a_run_and_its_repetition(source: str, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    command = ["embed-dataset", source, "--out", str(out), "--column", "body", "--id-column", "n"]
    assert main([*command, "--precision", "float16", "--threads", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("2 rows embedded in ")
    assert f"1 part: {out}" in captured.err
    assert f"ondol: warning: 1 row failed, with the reasons below {out}/_failed" in captured.err
    table = pq.read_table(out / "part-00000.parquet")
    assert table["id"].to_pylist() == ["1", "3"]
    assert str(table.schema.field("embedding").type) == "fixed_size_list<element: halffloat>[384]"

    assert main([*command, "--precision", "float16", "--quiet"]) == 0
    assert capsys.readouterr().err.count("\n") == 1, "only the warning"
    assert main(command) == 1
    assert "precision 'float32' instead of 'float16'" in capsys.readouterr().err


def test_max_errors(source: str, tmp_path: Path, capsys: Any) -> None:
    command = ["embed-dataset", source, "--out", str(tmp_path / "out"), "--column", "body"]
    assert main([*command, "--max-errors", "0"]) == 1
    assert "1 rows failed, and 0 more may (--max-errors): line 2: 'body'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--address", "auto"],
        ["--max-workers", "2"],
        ["--engine", "spark"],
        ["--max-errors", "-1"],
        ["--precision", "binary"],
    ],
)
def test_wrong_usage(source: str, tmp_path: Path, options: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["embed-dataset", source, "--out", str(tmp_path / "out"), *options])
    assert caught.value.code == 2
    assert not (tmp_path / "out").exists()


def test_numbers_and_names_are_those_of_the_library() -> None:
    assert _DEFAULT_MAX_ERRORS == DEFAULT_MAX_ERRORS
    assert [kind.value for kind in VectorType] == ["float32", "float16", "int8", "ubinary"]


def test_the_summary_tells_what_was_kept_and_cut() -> None:
    report = DatasetReport(
        partitions=5, kept=2, rows=3000, failed=0, truncated=2, prompted=1, seconds=2.0
    )
    assert summary(report, "out", quiet=False) == [
        "3,000 rows embedded in 2.0 s (1,500/s), 5 parts (2 of them before): out",
        "ondol: warning: 2 texts longer than the model takes, cut",
        "ondol: warning: 1 text already began with a prompt and got another before it (--prompt "
        "none adds none)",
    ]
