"""Readers: what they yield, and that every bad row is an error that names file and line."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ondol.cli.inputs import Item, from_arguments, from_file
from ondol.errors import InputError


def items(path: Path, column: str = "text") -> list[Item]:
    return list(from_file(path, column).items)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", ["texts.txt", "texts", "TEXTS.TXT"])
def test_every_line_is_a_text_and_an_empty_one_too(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "가나\n\n b \r\n끝")
    assert items(path) == [(1, "가나"), (2, ""), (3, " b "), (4, "끝")]


def test_a_last_newline_ends_a_line_and_begins_none(tmp_path: Path) -> None:
    assert items(write(tmp_path / "a.txt", "a\n")) == [(1, "a")]
    assert items(write(tmp_path / "b.txt", "a\n\n")) == [(1, "a"), (2, "")]
    assert items(write(tmp_path / "c.txt", "")) == []


def test_only_newline_ends_a_line(tmp_path: Path) -> None:
    # str.splitlines would cut at each of these and shift every later line number.
    text = "a\u2028b\u0085c\x0bd\x0ce"
    assert items(write(tmp_path / "a.txt", text + "\nf\n")) == [(1, text), (2, "f")]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    assert items(write(tmp_path / "a.txt", b"\xef\xbb\xbfa\nb\n")) == [(1, "a"), (2, "b")]
    assert items(write(tmp_path / "a.csv", b"\xef\xbb\xbftext\nb\n")) == [(2, "b")]


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"ok\nab" + "한".encode("cp949") + b"\n")
    with pytest.raises(InputError, match=r"a\.txt, line 2: not UTF-8 at byte 3"):
        items(path)


def test_jsonl_takes_the_column(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"id": 1, "body": "\\uac00\\n"}\n\n{"body": ""}\n')
    assert items(path, "body") == [(1, "가\n"), (3, "")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a"', "not JSON"),
        ('"a"', "expected a JSON object, found a string"),
        ('{"body": "a"}', "no field 'text'; it has 'body'"),
        ("{}", "no field 'text'; it has none"),
        ('{"text": 3}', "field 'text': expected a string, found a number"),
        ('{"text": null}', "found null"),
        ('{"text": true}', "found a boolean"),
        ('{"text": ["a"]}', "found a list"),
        ('{"text": "a\\ud800"}', r"lone surrogate \(U\+D800\) at character 2"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_bad_jsonl_rows_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "fine"}\n' + line + "\n")
    with pytest.raises(InputError, match=rf"a\.jsonl, line 2.*{message}"):
        items(path)


def test_csv_counts_the_line_where_a_row_begins(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'id,text\n1,"two\nlines, one ""text"""\n\n2,가\n')
    assert items(path) == [(2, 'two\nlines, one "text"'), (5, "가")]


def test_tsv_separates_by_tabs(tmp_path: Path) -> None:
    assert items(write(tmp_path / "a.tsv", "id\ttext\n1\ta, b\n")) == [(2, "a, b")]


def test_a_csv_field_may_be_longer_than_pythons_limit(tmp_path: Path) -> None:
    assert items(write(tmp_path / "a.csv", "text\n" + "a" * 200_000)) == [(2, "a" * 200_000)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; expected a header"),
        ("body,id\na,1\n", r"line 1: no column 'text'; it has 'body', 'id'"),
        ("text,text\na,b\n", "line 1: the column 'text' stands there twice"),
        ("text,id\na,1\nb\n", "line 3: the row has 1 fields, the header 2"),
        ("text,id\na, b,1\n", "line 2: the row has 3 fields"),
        ('text\na\n"open\n', "line 3: not CSV"),
    ],
)
def test_bad_csv_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        items(write(tmp_path / "a.csv", content))


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_parquet_takes_strings_of_every_storage(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({"id": [1, 2, 3], "body": pa.array(["가", "", "c"]).cast(kind)})
    pq.write_table(table, tmp_path / "a.parquet")
    assert items(tmp_path / "a.parquet", "body") == [(1, "가"), (2, ""), (3, "c")]


def test_bad_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", None], "n": [1, 2]}), path)
    with pytest.raises(InputError, match="row 2: expected a string, found null"):
        items(path)
    with pytest.raises(InputError, match="no column 'body'; it has 'text', 'n'"):
        items(path, "body")
    with pytest.raises(InputError, match="column 'n' holds int64; expected string"):
        items(path, "n")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        items(write(path, "PAR1 but no more"))


def test_gz_is_unpacked(tmp_path: Path) -> None:
    row = json.dumps({"text": "가"}).encode()
    assert items(write(tmp_path / "a.jsonl.gz", gzip.compress(row))) == [(1, "가")]
    assert items(write(tmp_path / "a.txt.gz", gzip.compress(b"a\nb"))) == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("content", [b"plain text", gzip.compress(b"a\nb" * 999)[:-12]])
def test_damaged_gz_is_named(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.txt\.gz cannot be read"):
        items(write(tmp_path / "a.txt.gz", content))


@pytest.mark.parametrize("name", ["a.json", "a.xlsx", "a.parquet.gz"])
def test_an_unknown_suffix_is_an_error_at_once(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "x")
    with pytest.raises(InputError, match="cannot tell the format"):
        from_file(path, "text")


def test_a_missing_file_or_a_directory_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        from_file(tmp_path / "none.txt", "text")
    with pytest.raises(InputError, match="is a directory"):
        from_file(tmp_path, "text")


def test_an_argument_that_is_not_utf8_is_named() -> None:
    # Python hands undecodable bytes of a command line over as lone surrogates.
    with pytest.raises(InputError, match=r"argument 2: holds a lone surrogate \(U\+DCFF\)"):
        list(from_arguments(["a", "b\udcff"]).items)
