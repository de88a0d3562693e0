"""Writers: exact numbers in every format, files whole or absent."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ondol.cli.outputs import JsonLinesWriter, OutputFormat, Writer, open_output
from ondol.errors import InputError

TEXTS = ["가", "", 'quote " and \\ \n line']
VECTORS = np.random.default_rng(5).standard_normal((3, 4)).astype(np.float32)


def write_in_two_windows(path: Path) -> None:
    with open_output(path, columns=4, dtype="float32") as writer:
        writer.write(TEXTS[:2], VECTORS[:2])
        writer.write(TEXTS[2:], VECTORS[2:])


def write_then_fail(writer: Writer) -> None:
    writer.write(TEXTS, VECTORS)
    raise ValueError("a bad row")


def test_npy(tmp_path: Path) -> None:
    write_in_two_windows(tmp_path / "a.npy")
    loaded = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert loaded.dtype == np.float32
    assert np.array_equal(loaded, VECTORS)


def test_npy_header_has_room_for_any_number_of_rows() -> None:
    sizes = set()
    for rows in (0, 1, 10**18):
        file = io.BytesIO()
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, 384)}
        np.lib.format.write_array_header_1_0(file, header)
        sizes.add(file.tell())
    assert len(sizes) == 1


def test_jsonl(tmp_path: Path) -> None:
    write_in_two_windows(tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    assert np.array_equal(np.array([row["embedding"] for row in rows], np.float32), VECTORS)


@given(
    arrays(np.float32, (1, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
)
def test_jsonl_numbers_name_their_float32_exactly(vectors: np.ndarray) -> None:
    file = io.BytesIO()
    JsonLinesWriter(file).write(["a"], vectors)
    read = np.array([json.loads(file.getvalue())["embedding"]], np.float32)
    assert np.array_equal(read, vectors)


def test_parquet(tmp_path: Path) -> None:
    write_in_two_windows(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 4)
    assert table["text"].to_pylist() == TEXTS
    vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(3, 4)
    assert np.array_equal(vectors, VECTORS)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_bytes_in_every_format(tmp_path: Path, dtype: str) -> None:
    vectors = np.array([[0, 1, 254, 255], [127, 128, 129, 3]], dtype=np.uint8).view(dtype)
    for suffix in (".npy", ".jsonl", ".parquet"):
        with open_output(tmp_path / f"a{suffix}", columns=4, dtype=dtype) as writer:
            writer.write(TEXTS[:2], vectors)
    loaded = np.load(tmp_path / "a.npy")
    assert loaded.dtype == vectors.dtype
    assert np.array_equal(loaded, vectors)
    lines = (tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["embedding"] for line in lines] == vectors.tolist()
    assert f'"embedding": [{", ".join(map(str, vectors[0]))}]' in lines[0]
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.field("embedding").type == pa.list_(pa.type_for_alias(dtype), 4)
    assert table["embedding"].to_pylist() == vectors.tolist()


@pytest.mark.parametrize("name", ["a.npy", "a.jsonl", "a.parquet"])
def test_nothing_to_write_is_a_valid_empty_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with open_output(path, columns=4, dtype="float32"):
        pass
    match path.suffix:
        case ".npy":
            assert np.load(path).shape == (0, 4)
        case ".jsonl":
            assert path.read_bytes() == b""
        case _:
            assert pq.read_table(path).num_rows == 0


@pytest.mark.parametrize("name", ["a.npy", "a.jsonl", "a.parquet"])
def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("old")
    with (
        pytest.raises(ValueError, match="a bad row"),
        open_output(path, columns=4, dtype="float32") as writer,
    ):
        write_then_fail(writer)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.txt", "a", "a.npz"])
def test_an_unknown_suffix_names_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match=r"expected one of \.jsonl, \.npy, \.parquet"):
        OutputFormat.of(Path(name))
