"""What a run writes, for every format, type of vector and kind of place."""

import gzip
import hashlib
import json
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from ondol import Embedder
from ondol.dataset import LocalExecutor, embed_dataset
from ondol.dataset.embedding import embed_partition
from ondol.dataset.job import Job
from ondol.dataset.partitions import find_partitions
from ondol.dataset.vectors import IdType, VectorType
from ondol.errors import InputError, MissingDependencyError, NumericalError
from ondol.testing import FakeEmbedder

TEXTS = ["제주도는 섬이다.", "", "The stock market fell.", "a, b\nc"]


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8", "surrogateescape")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def json_lines(**columns: list[Any]) -> str:
    rows = zip(*columns.values(), strict=True)
    return "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)


def csv_lines(delimiter: str) -> str:
    rows = "".join(f'{n}{delimiter}"{text}"\n' for n, text in enumerate(TEXTS))
    return f"key{delimiter}text\n{rows}"


def failed_rows(out: Path) -> list[tuple[str, Any, str]]:
    lines = [
        json.loads(line)
        for path in sorted((out / "_failed").glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    return [(row["place"], row["id"], row["reason"]) for row in lines]


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.ndjson.gz", "a.csv", "a.tsv.gz"])
def test_every_format(
    tmp_path: Path, name: str, vectors_of: Any, read_output: Any, parquet: Any
) -> None:
    source = tmp_path / name
    if name == "a.parquet":
        parquet(source, key=[str(n) for n in range(4)], text=TEXTS)
    elif "json" in name:
        write(source, json_lines(key=["0", "1", 2, "3"], text=TEXTS))
    else:
        write(source, csv_lines("," if "csv" in name else "\t"))
    report = embed_dataset(source, tmp_path / "out", id_column="key")
    assert (report.partitions, report.kept, report.rows, report.failed) == (1, 0, 4, 0)
    found = read_output(tmp_path / "out")
    assert list(found) == ["0", "1", "2", "3"]
    assert np.array_equal(np.stack(list(found.values())), vectors_of(TEXTS))


def test_ids_are_file_and_number_without_an_id_column(
    tmp_path: Path, read_output: Any, parquet: Any
) -> None:
    parquet(tmp_path / "in" / "b" / "c.parquet", text=["x", "y"])
    write(tmp_path / "in" / "a.csv", 'text\n"two\nlines"\nz\n')
    embed_dataset(tmp_path / "in", tmp_path / "out")
    assert list(read_output(tmp_path / "out")) == [
        "a.csv:2",
        "a.csv:4",
        "b/c.parquet:1",
        "b/c.parquet:2",
    ]


def test_whole_numbers_of_parquet_stay_whole_numbers(
    tmp_path: Path, read_output: Any, parquet: Any
) -> None:
    parquet(tmp_path / "a.parquet", n=[2**62, -1], text=["x", "y"])
    embed_dataset(tmp_path / "a.parquet", tmp_path / "out", id_column="n")
    assert list(read_output(tmp_path / "out")) == [2**62, -1]


def test_one_file_of_the_output_for_each_of_the_input_and_what_is_no_data_is_passed_over(
    tmp_path: Path, parquet: Any
) -> None:
    folder = tmp_path / "in"
    for name in ("b.parquet", "a.parquet", "_hidden.parquet", ".tmp/c.parquet"):
        parquet(folder / name, text=[name])
    write(folder / "README.md", "no data")
    write(folder / "_SUCCESS", "")
    report = embed_dataset(folder, tmp_path / "out")
    assert report.partitions == 2
    names = sorted(path.name for path in (tmp_path / "out").glob("*.parquet"))
    assert names == ["part-00000.parquet", "part-00001.parquet"]
    assert pq.read_table(tmp_path / "out" / names[0])["id"].to_pylist() == ["a.parquet:1"]


def test_a_glob(tmp_path: Path, read_output: Any, parquet: Any) -> None:
    for name in ("x1.parquet", "x2.parquet", "y.parquet"):
        parquet(tmp_path / "in" / name, text=[name])
    embed_dataset(tmp_path / "in" / "x*.parquet", tmp_path / "out")
    assert list(read_output(tmp_path / "out")) == ["x1.parquet:1", "x2.parquet:1"]


@pytest.mark.parametrize(
    ("precision", "change"),
    [
        ("float16", lambda vectors: vectors.astype(np.float16)),
        ("ubinary", lambda vectors: np.packbits(vectors > 0, axis=1)),
    ],
)
def test_types_of_vectors(
    tmp_path: Path,
    precision: str,
    change: Callable[[Any], Any],
    vectors_of: Any,
    read_output: Any,
    parquet: Any,
) -> None:
    parquet(tmp_path / "a.parquet", text=TEXTS)
    embed_dataset(tmp_path / "a.parquet", tmp_path / "out", precision=precision)
    found = np.stack(list(read_output(tmp_path / "out").values()))
    expected = change(vectors_of(TEXTS))
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


def test_int8_needs_a_bundle_with_ranges_and_says_so_first(tmp_path: Path, parquet: Any) -> None:
    parquet(tmp_path / "a.parquet", text=TEXTS)
    with pytest.raises(InputError, match="ranges"):
        embed_dataset(tmp_path / "a.parquet", tmp_path / "out", precision="int8")
    assert not (tmp_path / "out").exists()


def test_int8(tmp_path: Path, tiny_bundle: Path, read_output: Any, parquet: Any) -> None:
    parquet(tmp_path / "a.parquet", text=["a", "한국어 ab"])
    options = {"bundle": tiny_bundle, "variant": "onnx-fp32"}
    embed_dataset(tmp_path / "a.parquet", tmp_path / "out", precision="int8", **options)
    found = np.stack(list(read_output(tmp_path / "out").values()))
    with Embedder(**options) as model:
        expected = model.encode_document(["a", "한국어 ab"], precision="int8")
    assert found.dtype == np.int8
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("prompt", "prefix"), [("query", "query: "), ("none", "")])
def test_the_prompt_may_be_another(
    tmp_path: Path, prompt: str, prefix: str, model: Any, read_output: Any, parquet: Any
) -> None:
    parquet(tmp_path / "a.parquet", text=["섬"])
    embed_dataset(tmp_path / "a.parquet", tmp_path / "out", prompt_name=prompt)
    (vector,) = read_output(tmp_path / "out").values()
    assert np.array_equal(vector, model.encode(prefix + "섬"))


def test_files_and_manifest_say_whose_vectors_they_are(
    tmp_path: Path, model: Any, parquet: Any
) -> None:
    parquet(tmp_path / "a.parquet", text=TEXTS)
    embed_dataset(tmp_path / "a.parquet", tmp_path / "out")
    path = tmp_path / "out" / "part-00000.parquet"
    metadata = json.loads(pq.read_schema(path).metadata[b"ondol"])
    assert metadata["identity"] == model.identity
    assert metadata["variant"] == model.variant
    assert (metadata["column"], metadata["prompt"]) == ("text", "passage: ")
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text("utf-8"))
    (part,) = manifest["partitions"]
    assert part["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (part["rows"], part["bytes"]) == (4, path.stat().st_size)
    assert part["tokens"] == model.embed(TEXTS, prompt="passage: ").token_counts.sum()


def test_urls(vectors_of: Any) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/in/a.jsonl", json_lines(text=TEXTS).encode())
    try:
        embed_dataset("memory://bucket/in", "memory://bucket/out")
        names = sorted(path.rpartition("/")[2] for path in memory.find("/bucket/out"))
        assert names == ["_manifest.json", "_run.json", "part-00000.json", "part-00000.parquet"]
        with memory.open("/bucket/out/part-00000.parquet") as file:
            table = pq.read_table(file)
        assert np.array_equal(np.stack(table["embedding"].to_numpy()), vectors_of(TEXTS))
        memory.pipe("/bucket/out/.part-00000.parquet.partial-0", b"left by a killed run")
        again = embed_dataset("memory://bucket/in", "memory://bucket/out")
        assert (again.kept, again.rows) == (1, 0)
        assert not [path for path in memory.find("/bucket/out") if ".partial-" in path]
    finally:
        memory.rm("/bucket", recursive=True)


def test_rows_that_fail_are_put_aside_with_their_reason(tmp_path: Path, read_output: Any) -> None:
    lines = ['{"id": 1, "text": "fine"}', '{"id": 2, "text": null}', '{"id": 3, "text": 7}']
    lines += ["{no json", '{"text": "x"}', '{"id": null, "text": "x"}', '{"id": 1.5, "text": "x"}']
    lines += ['{"id": 8, "text": "\udcff"}', '{"id": 9, "text": "fine"}']
    write(tmp_path / "a.jsonl", "\n".join(lines))
    report = embed_dataset(tmp_path / "a.jsonl", tmp_path / "out", id_column="id")
    assert (report.rows, report.failed) == (2, 7)
    assert list(read_output(tmp_path / "out")) == ["1", "9"]
    found = failed_rows(tmp_path / "out")
    assert [(place, id_) for place, id_, _ in found] == [
        ("line 2", 2),
        ("line 3", 3),
        ("line 4", None),
        ("line 5", None),
        ("line 6", None),
        ("line 7", None),
        ("line 8", 8),
    ]
    reasons = " | ".join(reason for _, _, reason in found)
    assert "'text': expected a string, found null" in reasons
    assert "no field 'id'" in reasons
    assert "'id': expected a string or a whole number, found a number" in reasons
    assert "lone surrogate (U+DCFF)" in reasons


def test_null_in_parquet_and_a_short_row_in_csv_fail_too(tmp_path: Path, parquet: Any) -> None:
    parquet(tmp_path / "in" / "a.parquet", n=[1, None, 3], text=["x", "y", None])
    write(tmp_path / "in2" / "a.csv", "n,text\n1,x\n2\n3,z\n")
    for name in ("in", "in2"):
        embed_dataset(tmp_path / name, tmp_path / f"out-{name}", id_column="n")
    assert [row[:2] for row in failed_rows(tmp_path / "out-in")] == [("row 2", None), ("row 3", 3)]
    ((place, _, reason),) = failed_rows(tmp_path / "out-in2")
    assert place == "line 3"
    assert "the row has 1 fields, the header 2" in reason


def test_too_many_failed_rows_end_the_run_and_a_higher_limit_continues_it(
    tmp_path: Path, parquet: Any, read_output: Any
) -> None:
    parquet(tmp_path / "in" / "a.parquet", text=["x", None, None])
    parquet(tmp_path / "in" / "b.parquet", text=["y", None])
    with pytest.raises(InputError, match=r"b\.parquet: 1 rows failed, and 0 more may"):
        embed_dataset(tmp_path / "in", tmp_path / "out", max_errors=2)
    report = embed_dataset(tmp_path / "in", tmp_path / "out", max_errors=3)
    assert (report.kept, report.rows, report.failed) == (1, 1, 3)
    assert list(read_output(tmp_path / "out")) == ["a.parquet:1", "b.parquet:1"]
    with pytest.raises(InputError, match="3 rows failed, and 2 may"):
        embed_dataset(tmp_path / "in", tmp_path / "out", max_errors=2)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ({"body": ["x"]}, {}, "no column 'text'; it has 'body'"),
        ({"text": [1]}, {}, "holds int64; expected string"),
        ({"text": ["x"]}, {"id_column": "id"}, "no column 'id'"),
        ({"text": ["x"]}, {"prompt_name": "title"}, "no prompt named 'title'"),
        ({"text": ["x"]}, {"precision": "int4"}, "unknown precision 'int4'"),
        ({"text": ["x"]}, {"max_errors": -1}, "max_errors is -1"),
    ],
)
def test_wrong_arguments_are_named(
    tmp_path: Path, parquet: Any, content: Any, options: Any, message: str
) -> None:
    parquet(tmp_path / "a.parquet", **content)
    with pytest.raises(InputError, match=message):
        embed_dataset(tmp_path / "a.parquet", tmp_path / "out", **options)


def test_places_that_cannot_be_read_are_named(tmp_path: Path, parquet: Any) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        embed_dataset(tmp_path / "none", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds nothing to read"):
        embed_dataset(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(InputError, match="cannot be opened"):
        embed_dataset("nonsense://x", tmp_path / "out")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(InputError, match=r"cut\.parquet cannot be read as Parquet"):
        embed_dataset(tmp_path / "cut.parquet", tmp_path / "out", id_column="id")
    parquet(tmp_path / "in" / "a.parquet", text=["x"])
    with pytest.raises(InputError, match="lies in the input"):
        embed_dataset(tmp_path / "in", tmp_path / "in" / "out")


def test_a_file_that_changes_during_a_run_is_an_error(tmp_path: Path, parquet: Any) -> None:
    parquet(tmp_path / "in" / "a.parquet", text=["x"])
    second = parquet(tmp_path / "in" / "b.parquet", text=["y"])
    with pytest.raises(InputError, match=r"b\.parquet is another file than when the run began"):
        embed_dataset(
            tmp_path / "in",
            tmp_path / "out",
            report_rows=lambda rows: parquet(second, text=["z", "z"]) and None,
        )


def test_storage_that_is_not_shared_is_noticed(tmp_path: Path, parquet: Any) -> None:
    """As a worker on another node with a folder of the same name would leave it here."""

    class Elsewhere(LocalExecutor):
        def run(self, *arguments: Any) -> Any:
            for record in super().run(*arguments):
                (tmp_path / "out" / record.file).unlink()
                yield record

    parquet(tmp_path / "a.parquet", text=["x"])
    with pytest.raises(InputError, match="expected storage that all nodes share"):
        embed_dataset(tmp_path / "a.parquet", tmp_path / "out", executor=Elsewhere())


def test_a_large_parquet_file_is_divided_between_row_groups(
    tmp_path: Path, parquet: Any, read_output: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa

    texts = [f"text {n}" for n in range(10)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=2)
    size = (tmp_path / "a.parquet").stat().st_size
    monkeypatch.setattr("ondol.dataset.partitions._DIVIDED_BYTES", size // 3)
    report = embed_dataset(tmp_path / "a.parquet", tmp_path / "out")
    assert report.partitions == 3
    assert list(read_output(tmp_path / "out")) == [f"a.parquet:{n}" for n in range(1, 11)]


def test_an_input_without_rows_gives_a_file_without_rows(tmp_path: Path, parquet: Any) -> None:
    write(tmp_path / "a.csv", "text\n")
    embed_dataset(tmp_path / "a.csv", tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "part-00000.parquet")
    assert table.num_rows == 0
    assert table.schema.field("embedding").type.list_size == 384


def test_the_number_of_threads_and_windows_change_nothing(
    tmp_path: Path, parquet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet(tmp_path / "a.parquet", text=[f"text {n}" for n in range(30)])
    embed_dataset(tmp_path / "a.parquet", tmp_path / "one", executor=LocalExecutor(threads=1))
    monkeypatch.setattr("ondol.dataset.embedding._WINDOW", 7)
    monkeypatch.setattr("ondol.dataset.vectors._GROUP_ROWS", 14)
    embed_dataset(tmp_path / "a.parquet", tmp_path / "two", executor=LocalExecutor(threads=2))
    one, two = (pq.read_table(tmp_path / name / "part-00000.parquet") for name in ("one", "two"))
    assert one.equals(two)


def fake_job(out: Path) -> Job:
    return Job(
        out=f"file://{out}",
        column="text",
        id_column=None,
        ids=IdType.STRING,
        vectors=VectorType.FLOAT32,
        dimension=4,
        prompt="",
        prompts=(),
        variant="fake",
        engine="fake",
        identity={},
    )


def test_memory_does_not_grow_with_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ondol.dataset.embedding._WINDOW", 64)
    monkeypatch.setattr("ondol.dataset.vectors._GROUP_ROWS", 256)
    peaks = []
    for rows in (1_000, 16_000):
        write(tmp_path / f"{rows}.jsonl", json_lines(text=[f"{n} " * 20 for n in range(rows)]))
        (partition,) = find_partitions(str(tmp_path / f"{rows}.jsonl"))
        job = fake_job(tmp_path / f"out{rows}")
        tracemalloc.start()
        embed_partition(FakeEmbedder(dimension=4), job, partition, allowed=0, worker="here")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        # What Arrow holds is not traced: no more than a row group.
        metadata = pq.read_metadata(tmp_path / f"out{rows}" / "part-00000.parquet")
        assert max(metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)) == 256
    assert peaks[1] < 1.5 * peaks[0]


def test_a_text_without_a_vector_is_put_aside_alone(tmp_path: Path, read_output: Any) -> None:
    class Broken(FakeEmbedder):
        def embed(self, texts: Any, **options: Any) -> Any:
            if "bad" in texts:
                raise NumericalError("NaN for text 0")
            return super().embed(texts, **options)

    write(tmp_path / "a.csv", "text\na\nbad\nb\n")
    (partition,) = find_partitions(str(tmp_path / "a.csv"))
    job = fake_job(tmp_path / "out")
    record = embed_partition(Broken(dimension=4), job, partition, allowed=1, worker="here")
    assert (record.rows, record.failed) == (2, 1)
    found = read_output(tmp_path / "out")
    assert list(found) == ["a.csv:2", "a.csv:4"]
    assert np.array_equal(found["a.csv:4"], FakeEmbedder(dimension=4).encode("b"))
    assert failed_rows(tmp_path / "out") == [("line 3", "a.csv:3", "NaN for text 0")]


@pytest.mark.parametrize("package", ["fsspec", "pyarrow.parquet"])
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'ondol\[dataset\]'"):
        embed_dataset(tmp_path, tmp_path / "out")


def test_texts_that_are_cut_or_bring_a_prompt_are_counted(tmp_path: Path, parquet: Any) -> None:
    texts = ["short", "long " * 600, "passage: x", "query: y"]
    parquet(tmp_path / "a.parquet", text=texts)
    report = embed_dataset(tmp_path / "a.parquet", tmp_path / "out")
    assert (report.rows, report.truncated, report.prompted) == (4, 1, 2)
    report = embed_dataset(tmp_path / "a.parquet", tmp_path / "plain", prompt_name="none")
    assert report.prompted == 0
