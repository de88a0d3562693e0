"""A run that was killed goes on, and another one is refused."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ondol.dataset import embed_dataset
from ondol.errors import OndolError, ResumeError

#: Embeds, and stops for ever in the middle of the second partition.
_STOPS = """
import sys, threading
import ondol.dataset.embedding as embedding
from ondol.dataset import embed_dataset

read_rows = embedding.read_rows

def stopping(partition, **options):
    for number, row in enumerate(read_rows(partition, **options)):
        if partition.name == "part-00001" and number == 3:
            print("in the middle", flush=True)
            threading.Event().wait()
        yield row

embedding.read_rows = stopping
embedding._WINDOW = 2
embed_dataset(sys.argv[1], sys.argv[2])
"""


@pytest.fixture
def data_set(tmp_path: Path, parquet: Any) -> Path:
    for number in range(3):
        parquet(tmp_path / "in" / f"{number}.parquet", text=[f"{number} {n}" for n in range(5)])
    return tmp_path / "in"


def contents(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }


def test_a_killed_run_goes_on_where_it_was(
    tmp_path: Path, data_set: Path, read_output: Any
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", _STOPS, str(data_set), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    left = contents(out)
    assert [name for name in left if name.startswith(".part-00001.parquet.partial-")]
    assert "part-00001.parquet" not in left
    finished = (out / "part-00000.parquet").stat().st_mtime_ns

    report = embed_dataset(data_set, out)
    assert (report.partitions, report.kept, report.rows) == (3, 1, 10)
    assert (out / "part-00000.parquet").stat().st_mtime_ns == finished
    embed_dataset(data_set, tmp_path / "at once")
    assert contents(out) == contents(tmp_path / "at once")
    assert len(read_output(out)) == 15


def test_a_finished_run_has_nothing_to_do(tmp_path: Path, data_set: Path) -> None:
    embed_dataset(data_set, tmp_path / "out")
    before = contents(tmp_path / "out")
    report = embed_dataset(data_set, tmp_path / "out")
    assert (report.kept, report.rows) == (3, 0)
    assert contents(tmp_path / "out") == before


def test_a_part_that_was_lost_or_cut_is_made_again(tmp_path: Path, data_set: Path) -> None:
    out = tmp_path / "out"
    embed_dataset(data_set, out)
    before = contents(out)
    (out / "part-00000.parquet").unlink()
    (out / "part-00001.parquet").write_bytes(before["part-00001.parquet"][:-1])
    report = embed_dataset(data_set, out)
    assert (report.kept, report.rows) == (1, 10)
    assert contents(out) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": "other"}, "column 'other' instead of 'text'"),
        ({"id_column": "other"}, "id_column 'other' instead of None"),
        ({"precision": "float16"}, "precision 'float16' instead of 'float32'"),
        ({"prompt_name": "query"}, "prompt 'query: ' instead of 'passage: '"),
        ({"variant": "gguf-q5_0"}, "variant 'gguf-q5_0' instead of 'onnx-int8'"),
    ],
)
def test_other_options_are_refused(
    tmp_path: Path, parquet: Any, options: Any, message: str
) -> None:
    parquet(tmp_path / "in" / "a.parquet", text=["x"], other=["y"])
    embed_dataset(tmp_path / "in", tmp_path / "out", variant="onnx-int8")
    with pytest.raises(ResumeError, match=message) as caught:
        embed_dataset(tmp_path / "in", tmp_path / "out", **{"variant": "onnx-int8", **options})
    assert "choose another --out" in str(caught.value)


def test_another_bundle_is_refused(tmp_path: Path, data_set: Path, tiny_bundle: Path) -> None:
    embed_dataset(data_set, tmp_path / "out")
    with pytest.raises(ResumeError, match="bundle's weights"):
        embed_dataset(data_set, tmp_path / "out", bundle=tiny_bundle, prompt_name="none")


def test_a_changed_input_is_refused(tmp_path: Path, data_set: Path, parquet: Any) -> None:
    embed_dataset(data_set, tmp_path / "out")
    extra = parquet(data_set / "3.parquet", text=["x"])
    with pytest.raises(ResumeError, match=r"input file://.*3\.parquet is new"):
        embed_dataset(data_set, tmp_path / "out")
    extra.unlink()
    (data_set / "1.parquet").rename(data_set / "9.parquet")
    with pytest.raises(ResumeError, match=r"1\.parquet is gone; input .*9\.parquet is new"):
        embed_dataset(data_set, tmp_path / "out")
    parquet(data_set / "1.parquet", text=["changed"])
    (data_set / "9.parquet").unlink()
    with pytest.raises(ResumeError, match=r"1\.parquet has changed since"):
        embed_dataset(data_set, tmp_path / "out")


def test_a_folder_of_something_else_is_refused(tmp_path: Path, data_set: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(ResumeError, match=r"holds 'thesis\.txt' but no _run\.json"):
        embed_dataset(data_set, tmp_path / "out")
    assert contents(tmp_path / "out") == {"thesis.txt": b"mine"}


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "cannot be read"), ("[]", "cannot be read"), ('{"version": 2}', "is of version 2")],
)
def test_a_run_file_that_is_none_is_refused(
    tmp_path: Path, data_set: Path, content: str, message: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "_run.json").write_text(content)
    with pytest.raises(ResumeError, match=message):
        embed_dataset(data_set, tmp_path / "out")


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.update(settings=[]),
        lambda run: run["settings"].update(identity=7),
        lambda run: run.update(partitions=7),
        lambda run: run["partitions"][0].pop("stamp"),
        lambda run: run["partitions"][0].update(source=[]),
        lambda run: run["partitions"].append(None),
    ],
)
def test_a_damaged_run_file_is_refused(
    tmp_path: Path, data_set: Path, change: Callable[[Any], object]
) -> None:
    embed_dataset(data_set, tmp_path / "out")
    path = tmp_path / "out" / "_run.json"
    run = json.loads(path.read_text())
    change(run)
    path.write_text(json.dumps(run))
    with pytest.raises(ResumeError, match=r"_run\.json cannot be read"):
        embed_dataset(data_set, tmp_path / "out")


@pytest.mark.parametrize(
    "change", [{"failed": "many"}, {"rows": None}, {"tokens": 1.5}, {"name": "part-00000"}]
)
def test_a_damaged_record_is_named(
    tmp_path: Path, data_set: Path, change: Mapping[str, Any]
) -> None:
    embed_dataset(data_set, tmp_path / "out")
    path = tmp_path / "out" / "_partitions" / "part-00001.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ResumeError, match=r"_partitions/part-00001\.json cannot be read"):
        embed_dataset(data_set, tmp_path / "out")


def test_a_record_that_cannot_be_read_is_named(tmp_path: Path, data_set: Path) -> None:
    embed_dataset(data_set, tmp_path / "out")
    record = tmp_path / "out" / "_partitions" / "part-00001.json"
    record.write_text("{")
    with pytest.raises(ResumeError, match=r"_partitions/part-00001\.json cannot be read"):
        embed_dataset(data_set, tmp_path / "out")
    record.unlink()
    assert embed_dataset(data_set, tmp_path / "out").rows == 5


def test_killed_before_the_run_file_was_whole(tmp_path: Path, data_set: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "._run.json.partial-abc").write_text('{"ver')
    assert embed_dataset(data_set, tmp_path / "out").rows == 15
    assert "._run.json.partial-abc" not in contents(tmp_path / "out")


def test_an_error_in_the_middle_leaves_nothing_half_written(tmp_path: Path, parquet: Any) -> None:
    parquet(tmp_path / "in" / "a.parquet", text=["x"])
    (tmp_path / "in" / "b.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(OndolError, match="cannot be read as Parquet"):
        embed_dataset(tmp_path / "in", tmp_path / "out")
    assert sorted(contents(tmp_path / "out")) == [
        "_partitions/part-00000.json",
        "_run.json",
        "part-00000.parquet",
    ]
    run = json.loads((tmp_path / "out" / "_run.json").read_text())
    assert [one["label"] for one in run["partitions"]] == ["a.parquet", "b.parquet"]
