"""`ondol rerank` with a fake model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ondol.cli import main
from ondol.testing import FakeReranker


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """`ondol rerank` uses a fake; what it was opened with."""
    calls: list[dict[str, Any]] = []

    def open_fake(bundle: str, **options: Any) -> FakeReranker:
        calls.append({"bundle": bundle, **options})
        return FakeReranker()

    monkeypatch.setattr("ondol.runtime.reranker.Reranker", open_fake)
    return calls


def test_lines_for_people_are_sorted_and_shortened(opened: Any, capsys: Any) -> None:
    long = "a  b\n" + "c" * 200
    assert main(["rerank", "--model", "dir", "a b", "c", long, "b"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["1.0000", "1"],
        ["0.5000", "2"],
        ["0.0000", "0"],
    ]
    assert lines[0].endswith("a b " + "c" * 75 + "…")
    unset = dict.fromkeys(("variant", "engine", "threads", "max_length"))
    assert opened == [{"bundle": "dir", **unset}]


def test_json_has_whole_texts_and_top_k_cuts(opened: Any, capsys: Any, tmp_path: Path) -> None:
    (tmp_path / "documents.jsonl").write_text('{"body": "x"}\n{"body": "한국"}\n{"body": "y"}\n')
    command = [
        "rerank",
        "--model",
        "dir",
        "--variant",
        "onnx-int8",
        "--threads",
        "2",
        "--max-length",
        "64",
    ]
    command += ["한국", "--input", str(tmp_path / "documents.jsonl"), "--column", "body"]
    assert main([*command, "--top-k", "1", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == [{"corpus_id": 1, "score": 1.0, "text": "한국"}]
    assert opened[0]["variant"] == "onnx-int8"
    assert (opened[0]["threads"], opened[0]["max_length"]) == (2, 64)


def test_lines_of_standard_input(
    opened: Any, capsys: Any, type_stdin: Callable[[bytes], None]
) -> None:
    type_stdin("나\n가\n".encode())
    assert main(["rerank", "--model", "dir", "가"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["1.0000", "1", "가"]


def test_documents_and_input_exclude_each_other(opened: Any, capsys: Any) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["rerank", "--model", "dir", "a", "b", "--input", "x.txt"])
    assert "DOCUMENT and --input" in capsys.readouterr().err


def test_a_missing_bundle_is_said(capsys: Any, tmp_path: Path) -> None:
    assert main(["rerank", "--model", str(tmp_path / "none"), "a", "b"]) == 1
    assert "is not a directory" in capsys.readouterr().err
