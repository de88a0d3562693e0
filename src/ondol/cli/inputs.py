"""Reading texts, one after the other, from lines, JSON Lines, CSV and Parquet."""

import csv
import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ondol.errors import InputError, MissingDependencyError

#: Rows of a Parquet file that are in memory at a time.
_PARQUET_ROWS = 1024

#: The longest line, and the longest field of a CSV file: longer than any text, and a bound on what
#: a few kilobytes of gzip unpack to in memory.
_MAX_LINE_BYTES = 2**28


class InputFormat(Enum):
    """How a file holds its texts."""

    LINES = "lines"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"


_SUFFIXES = {
    "": InputFormat.LINES,
    ".txt": InputFormat.LINES,
    ".jsonl": InputFormat.JSONL,
    ".ndjson": InputFormat.JSONL,
    ".csv": InputFormat.CSV,
    ".tsv": InputFormat.TSV,
    ".parquet": InputFormat.PARQUET,
}


class _Readable(Protocol):
    def readline(self, size: int, /) -> bytes: ...


class Item(NamedTuple):
    """A text and its place in its source, counted from 1 in the source's unit."""

    number: int
    text: str


@dataclass(frozen=True)
class Source:
    """Where texts come from.

    Attributes:
        name: for messages.
        unit: what `Item.number` counts: "line", "row" or "argument".
        items: read lazily, once. Raises InputError, with name and place, for what is no text.
    """

    name: str
    unit: str
    items: Iterator[Item]


def from_arguments(texts: Sequence[str]) -> Source:
    """The texts of the command line itself."""
    items = (Item(i, _checked(text, f"argument {i}")) for i, text in enumerate(texts, 1))
    return Source("the command line", "argument", items)


def from_stdin() -> Source:
    """Standard input, one text per line."""
    name = "standard input"
    return Source(name, "line", _read_lines(_decoded(_binary_lines(sys.stdin.buffer, name), name)))


def from_file(path: Path, column: str) -> Source:
    """A file, in the format that its suffix names; `.gz` after it is unpacked on the way.

    column: the field or column that holds the text, for formats that have such.

    Raises InputError if there is no such file or no such format, MissingDependencyError for
    Parquet without pyarrow.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if path.is_dir():
        raise InputError(f"{path} is a directory; expected a file")
    packed = path.suffix == ".gz"
    suffix = Path(path.stem).suffix if packed else path.suffix
    kind = _SUFFIXES.get(suffix.lower())
    if kind is None or (packed and kind is InputFormat.PARQUET):
        raise InputError(
            f"{path}: cannot tell the format from the suffix; expected .txt (or none), .jsonl, "
            ".ndjson, .csv or .tsv, with or without .gz, or .parquet"
        )
    name = str(path)
    if kind is InputFormat.PARQUET:
        return Source(name, "row", _read_parquet(path, column, _pyarrow_parquet()))
    lines = _decoded(_file_lines(path, packed), name)
    match kind:
        case InputFormat.JSONL:
            items = _read_jsonl(lines, name, column)
        case InputFormat.CSV | InputFormat.TSV:
            items = _read_csv(lines, name, column, "," if kind is InputFormat.CSV else "\t")
        case _:
            items = _read_lines(lines)
    return Source(name, "line", items)


def _file_lines(path: Path, packed: bool) -> Iterator[bytes]:
    try:
        file = gzip.open(path, "rb") if packed else path.open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield from _binary_lines(file, str(path))


def _binary_lines(file: _Readable, name: str) -> Iterator[bytes]:
    number = 0
    try:
        while line := file.readline(_MAX_LINE_BYTES):
            number += 1
            if len(line) == _MAX_LINE_BYTES and not line.endswith(b"\n"):
                raise InputError(
                    f"{name}, line {number}: it has {_MAX_LINE_BYTES:,} bytes or more; a text of "
                    "this size is none, cut it first"
                )
            yield line
    except (OSError, EOFError, zlib.error) as error:  # what a damaged gzip file raises
        raise InputError(f"{name} cannot be read: {error}") from error


def _decoded(lines: Iterable[bytes], name: str) -> Iterator[str]:
    """Lines with their ends. Raises InputError that names the line that is not UTF-8."""
    for number, line in enumerate(lines, 1):
        try:
            # Windows programs put a byte order mark before the first line.
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}, line {number}: not UTF-8 at byte {error.start + 1} of the line; "
                "convert the file first, for instance with iconv -f CP949 -t UTF-8"
            ) from error


def _read_lines(lines: Iterable[str]) -> Iterator[Item]:
    for number, line in enumerate(lines, 1):
        yield Item(number, line.removesuffix("\n").removesuffix("\r"))


def _read_jsonl(lines: Iterable[str], name: str, column: str) -> Iterator[Item]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{place}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{place}: expected a JSON object, found {_json_kind(row)}")
        if column not in row:
            raise InputError(f"{place}: {_no_column('field', column, list(row))}")
        yield Item(number, _checked(row[column], f"{place}, field {column!r}"))


def _read_csv(lines: Iterable[str], name: str, column: str, delimiter: str) -> Iterator[Item]:
    # The default limit of 131,072 characters is less than a long document. A quote that is never
    # closed would otherwise take the rest of the file.
    csv.field_size_limit(_MAX_LINE_BYTES)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    index = 0
    while True:
        number = reader.line_num + 1  # a row may span lines; this is its first
        place = f"{name}, line {number}"
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise InputError(f"{place}: not CSV: {error}") from error
        if not row:
            continue
        if header is None:
            header = row
            if header.count(column) != 1:
                raise InputError(f"{place}: {_no_column('column', column, header)}")
            index = header.index(column)
        elif len(row) != len(header):
            raise InputError(
                f"{place}: the row has {len(row)} fields, the header {len(header)}; a text that "
                f"holds {delimiter!r} must stand in double quotes"
            )
        else:
            yield Item(number, row[index])
    if header is None:
        raise InputError(f"{name} is empty; expected a header line with the column {column!r}")


def _read_parquet(path: Path, column: str, parquet: Any) -> Iterator[Item]:
    import pyarrow

    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if column not in names:
                raise InputError(f"{path}: {_no_column('column', column, names)}")
            kind = file.schema_arrow.field(column).type
            value_kind = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
            if not (
                pyarrow.types.is_string(value_kind) or pyarrow.types.is_large_string(value_kind)
            ):
                raise InputError(f"{path}: the column {column!r} holds {kind}; expected string")
            number = 0
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS, columns=[column]):
                for value in batch.column(0).to_pylist():
                    number += 1
                    yield Item(number, _checked(value, f"{path}, row {number}"))
    except (OSError, pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from error


def _pyarrow_parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError("reading Parquet files", "pyarrow", "parquet") from error
    return pyarrow.parquet


def _checked(value: object, place: str) -> str:
    """`value` if it is a text that can be encoded. Raises InputError that names the place."""
    if not isinstance(value, str):
        raise InputError(f"{place}: expected a string, found {_json_kind(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{place}: holds a lone surrogate (U+{ord(value[error.start]):04X}) at character "
            f"{error.start + 1}, which is no Unicode text"
        ) from error
    return value


def _json_kind(value: object) -> str:
    if value is None:
        return "null"
    kinds = {bool: "a boolean", dict: "an object", list: "a list", str: "a string"}
    return kinds.get(type(value), "a number")


def _no_column(what: str, column: str, names: Sequence[str]) -> str:
    known = ", ".join(repr(name) for name in names[:10]) + (", …" if len(names) > 10 else "")
    if column in names:
        return f"the {what} {column!r} stands there twice"
    return f"no {what} {column!r}; it has {known or 'none'} (choose one with --column)"
