"""`ondol embed` in process, with a fake model of 4 dimensions and at most 8 tokens."""

import itertools
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ondol.cli import main
from ondol.cli.embed import WINDOW, embed_stream
from ondol.cli.inputs import Item, Source
from ondol.errors import NumericalError
from ondol.precision import Precision
from ondol.runtime.embedder import EmbedResult
from ondol.testing import FakeEmbedder

TypeStdin = Callable[[bytes], None]


pytestmark = pytest.mark.usefixtures("fake_model")


def vectors_of(*texts: str) -> np.ndarray:
    return FakeEmbedder(dimension=4, max_tokens=8).embed(texts).vectors


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_arguments_give_json_lines_with_the_query_prompt(capsys: Any) -> None:
    assert main(["embed", "가나", "b"]) == 0
    captured = capsys.readouterr()
    found = rows(captured.out)
    assert [row["text"] for row in found] == ["가나", "b"]
    expected = vectors_of("query: 가나", "query: b")
    assert np.array_equal(np.array([row["embedding"] for row in found], np.float32), expected)
    assert "2 texts, 4 dimensions, fake, prompt 'query: '" in captured.err


@pytest.mark.parametrize(
    ("options", "prefix"),
    [
        (["--prompt", "passage"], "passage: "),
        (["--prompt", "none"], ""),
        (["--prompt", "query"], "query: "),
    ],
)
def test_prompt(capsys: Any, options: list[str], prefix: str) -> None:
    assert main(["embed", "b", *options]) == 0
    (row,) = rows(capsys.readouterr().out)
    assert np.array_equal(np.array([row["embedding"]], np.float32), vectors_of(prefix + "b"))


def test_an_unknown_prompt_is_an_error_that_lists_the_known(capsys: Any) -> None:
    assert main(["embed", "b", "--prompt", "title"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no prompt named 'title'; expected one of query, passage, none" in captured.err


@pytest.mark.parametrize("arguments", [[], ["-"], ["--input", "-"]])
def test_lines_from_a_pipe(capsys: Any, type_stdin: TypeStdin, arguments: list[str]) -> None:
    type_stdin("가\n\nb".encode())
    assert main(["embed", *arguments]) == 0
    assert [row["text"] for row in rows(capsys.readouterr().out)] == ["가", "", "b"]


def test_precision(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "v.npy"
    command = ["embed", "가", "b", "--prompt", "none", "--precision", "ubinary"]
    assert main([*command, "--out", str(out)]) == 0
    bits = np.load(out)
    assert bits.dtype == np.uint8
    assert np.array_equal(bits, np.packbits(vectors_of("가", "b") > 0, axis=1))
    assert "2 texts, 4 dimensions as ubinary, fake, no prompt" in capsys.readouterr().err


def test_quiet_says_nothing(capsys: Any) -> None:
    assert main(["embed", "b", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_a_file_longer_than_a_window_keeps_its_order(tmp_path: Path, capsys: Any) -> None:
    texts = [f"text {i}" for i in range(WINDOW + 3)]
    (tmp_path / "in.txt").write_text("\n".join(texts))
    out = tmp_path / "out.npy"
    command = ["embed", "--input", str(tmp_path / "in.txt"), "--out", str(out), "--prompt", "none"]
    assert main(command) == 0
    assert np.array_equal(np.load(out), vectors_of(*texts))
    assert capsys.readouterr().out == ""


def test_truncated_texts_are_counted_with_their_lines(tmp_path: Path, capsys: Any) -> None:
    lines = ["short", "a b c d e f g h"] * 7
    (tmp_path / "in.txt").write_text("\n".join(lines))
    assert main(["embed", "--input", str(tmp_path / "in.txt"), "--quiet"]) == 0
    err = capsys.readouterr().err
    assert "7 texts of 14 longer than 8 tokens, cut there" in err
    assert "in.txt, lines 2, 4, 6, 8, 10, …" in err


def test_a_text_that_brings_its_prompt_is_reported_once(capsys: Any) -> None:
    assert main(["embed", "query: b", "c", "passage: d", "--quiet"]) == 0
    err = capsys.readouterr().err
    assert "2 texts of 3 already began with a prompt" in err
    assert "arguments 1, 3\n" in err
    assert main(["embed", "query: b", "--prompt", "none", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_a_bad_row_leaves_no_output(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n' * (WINDOW + 1) + "{}\n")
    out = tmp_path / "out" / "v.npy"
    assert main(["embed", "--input", str(tmp_path / "in.jsonl"), "--out", str(out)]) == 1
    err = capsys.readouterr().err
    assert f"in.jsonl, line {WINDOW + 2}: no field 'text'" in err
    assert "Traceback" not in err
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "--input", "x.txt"], "exclude each other"),
        (
            ["a", "--variant", "onnx-int3"],
            "unknown variant 'onnx-int3'; expected one of: onnx-fp32",
        ),
        (["a", "--threads", "0"], "not a whole number from 1"),
        (["a", "--normalize", "NFD"], "invalid choice"),
        (["a", "--precision", "int4"], "invalid choice"),
        (["a", "--truncate-dim", "0"], "not a whole number from 1"),
        (["a", "--no-such-option"], "unrecognized arguments"),
    ],
)
def test_usage_errors_exit_with_2(capsys: Any, arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["embed", *arguments])
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


def test_nothing_on_a_terminal_is_a_usage_error(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with pytest.raises(SystemExit) as exit_info:
        main(["embed"])
    assert exit_info.value.code == 2
    assert "nothing to embed" in capsys.readouterr().err


def test_problems_with_files_are_found_before_the_model_is_loaded(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(args: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("ondol.cli.embed.open_model", fail)
    source = tmp_path / "in.jsonl"
    source.write_text("{}")
    (tmp_path / "folder.npy").mkdir()
    for arguments, message in (
        (["--input", str(tmp_path / "none.txt")], "no such file"),
        (["a", "--out", str(tmp_path / "v.txt")], "cannot tell the format"),
        (["a", "--out", str(tmp_path / "folder.npy")], "is a directory"),
        (["--input", str(source), "--out", str(source)], "is also the input"),
    ):
        assert main(["embed", *arguments]) == 1
        assert message in capsys.readouterr().err
    assert source.read_text() == "{}"


@pytest.mark.parametrize(
    ("arguments", "purpose"),
    [(["--input", "{tmp}/in.parquet"], "reading"), (["a", "--out", "{tmp}/v.parquet"], "writing")],
)
def test_parquet_without_pyarrow_names_the_extra(
    arguments: list[str],
    purpose: str,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "in.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert main(["embed", *(argument.format(tmp=tmp_path) for argument in arguments)]) == 1
    err = capsys.readouterr().err
    assert f"{purpose} Parquet files needs the package pyarrow" in err
    assert "pip install 'ondol[parquet]'" in err


def test_a_full_disk_is_an_error_without_a_traceback(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ondol.cli.embed.open_model", fail)
    assert main(["embed", "a"]) == 1
    assert capsys.readouterr().err == "ondol: error: [Errno 28] No space left on device\n"


class StopAfter:
    """A Writer that gives up after some windows."""

    def __init__(self, windows: int) -> None:
        self.left = windows

    def write(self, texts: Sequence[str], vectors: np.ndarray) -> None:
        self.left -= 1
        if self.left == 0:
            raise StopIteration

    def finish(self) -> None:
        raise AssertionError


def test_an_endless_stream_is_read_one_window_at_a_time() -> None:
    taken = 0

    def endless() -> Iterator[Item]:
        nonlocal taken
        for taken in itertools.count(1):
            yield Item(taken, "a")

    source = Source("endless", "line", endless())
    model = FakeEmbedder(dimension=4)
    with pytest.raises(StopIteration):
        embed_stream(
            model, source, StopAfter(2), prompt="", precision=Precision.FLOAT32, quiet=True
        )
    assert taken == 2 * WINDOW


@pytest.mark.parametrize("name", ["v.npy", "v.jsonl"])
def test_a_long_file_takes_no_more_memory_than_a_short_one(tmp_path: Path, name: str) -> None:
    peaks = {}
    for windows in (2, 10):
        (tmp_path / "in.txt").write_text(("word" * 300 + "\n") * windows * WINDOW)
        command = ["embed", "--input", str(tmp_path / "in.txt"), "--out", str(tmp_path / name)]
        assert main([*command, "--quiet"]) == 0  # imports are no part of what is measured
        tracemalloc.start()
        assert main([*command, "--quiet"]) == 0
        peaks[windows] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[10] < 1.5 * peaks[2], peaks


class FailsInTheSecondWindow(FakeEmbedder):
    """Returns no vector for text 3 of the second window."""

    windows = 0

    def embed(self, texts: Sequence[str], **options: Any) -> EmbedResult:
        self.windows += 1
        if self.windows == 2:
            raise NumericalError("the engine returned NaN or infinity for text 3")
        return super().embed(texts, **options)


def test_a_numerical_error_names_the_window(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ondol.cli.embed.open_model", lambda args: FailsInTheSecondWindow())
    (tmp_path / "in.txt").write_text("a\n" * (WINDOW + 9))
    out = tmp_path / "v.npy"
    assert main(["embed", "--input", str(tmp_path / "in.txt"), "--out", str(out)]) == 1
    err = capsys.readouterr().err
    assert f"in.txt, line {WINDOW + 1} to {WINDOW + 9} (texts from 0 there): the engine" in err
    assert not out.exists()
