"""Records of JSON Lines, CSV and Parquet files, one after the other, and what is wrong with them.

A record that cannot be used tells why and the next one follows; only what makes the rest of a file
unreadable is an error.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from pathlib import PurePath
from typing import IO, Any, NamedTuple, Protocol

from ondol.errors import InputError, MissingDependencyError

#: Rows of a Parquet file that are in memory at a time.
_PARQUET_ROWS = 1024

#: Bytes of a column that are read at a time: without it, all of a row group's are.
_PARQUET_BUFFER = 2**20

#: The longest line, and the longest field of a CSV file: longer than any text, and a bound on what
#: a few kilobytes of gzip unpack to in memory.
_MAX_LINE_BYTES = 2**28


class FileFormat(Enum):
    """How a file holds its texts."""

    LINES = "lines"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"

    @property
    def unit(self) -> str:
        """What `Record.number` counts, from 1."""
        return "row" if self is FileFormat.PARQUET else "line"


_SUFFIXES = {
    "": FileFormat.LINES,
    ".txt": FileFormat.LINES,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
    ".csv": FileFormat.CSV,
    ".tsv": FileFormat.TSV,
    ".parquet": FileFormat.PARQUET,
}


class NamedFormat(NamedTuple):
    """What a file's name says. packed: by gzip."""

    format: FileFormat
    packed: bool


class Record(NamedTuple):
    """One record.

    number: its place, counted from 1 in the format's unit; of CSV the line where it begins.
    values: of the wanted columns, in their order; empty if there is a problem.
    problem: why it has none.
    """

    number: int
    values: tuple[Any, ...]
    problem: str | None = None


class _Readable(Protocol):
    def readline(self, size: int, /) -> bytes: ...


def format_of(path: PurePath) -> NamedFormat | None:
    """By the suffix, with `.gz` after it or without; None if it is of no known format."""
    packed = path.suffix == ".gz"
    suffix = PurePath(path.stem).suffix if packed else path.suffix
    kind = _SUFFIXES.get(suffix.lower())
    if kind is None or (packed and kind is FileFormat.PARQUET):
        return None
    return NamedFormat(kind, packed)


def unpacked_lines(file: IO[bytes], name: str, *, packed: bool) -> Iterator[bytes]:
    """Lines with their ends. name: for messages. Raises InputError for one that is too long, and
    for damaged gzip.
    """
    if not packed:
        yield from binary_lines(file, name)
        return
    with gzip.open(file, "rb") as unpacked:
        yield from binary_lines(unpacked, name)


def binary_lines(file: _Readable, name: str) -> Iterator[bytes]:
    """Lines with their ends. Raises InputError for one that is too long, or if reading fails."""
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


def json_records(lines: Iterable[str], columns: Sequence[str]) -> Iterator[Record]:
    """Of JSON Lines; blank lines are none."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Record(number, (), f"not JSON: {error}")
            continue
        if not isinstance(row, dict):
            yield Record(number, (), f"expected a JSON object, found {json_kind(row)}")
            continue
        missing = next((column for column in columns if column not in row), None)
        if missing is not None:
            yield Record(number, (), _no_column("field", missing, list(row)))
            continue
        yield Record(number, tuple(row[column] for column in columns))


def csv_records(
    lines: Iterable[str], name: str, columns: Sequence[str], delimiter: str
) -> Iterator[Record]:
    """Of CSV with a header line; blank lines are none.

    Raises InputError for a header without the columns, and for a quote that stands or ends wrong:
    where the next record begins is not known then.
    """
    # The default limit of 131,072 characters is less than a long document. A quote that is never
    # closed would otherwise take the rest of the file.
    csv.field_size_limit(_MAX_LINE_BYTES)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    places: list[int] = []
    while True:
        number = reader.line_num + 1  # a row may span lines; this is its first
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise InputError(f"{name}, line {number}: not CSV: {error}") from error
        if not row:
            continue
        if header is None:
            header = row
            for column in columns:
                if header.count(column) != 1:
                    problem = _no_column("column", column, header)
                    raise InputError(f"{name}, line {number}: {problem}")
            places = [header.index(column) for column in columns]
        elif len(row) != len(header):
            yield Record(
                number,
                (),
                f"the row has {len(row)} fields, the header {len(header)}; a text that "
                f"holds {delimiter!r} must stand in double quotes",
            )
        else:
            yield Record(number, tuple(row[place] for place in places))
    if header is None:
        named = " and ".join(repr(column) for column in columns)
        raise InputError(f"{name} is empty; expected a header line with the column {named}")


def parquet_records(
    file: Any,
    name: str,
    text_column: str,
    other_columns: Sequence[str] = (),
    *,
    row_groups: tuple[int, int] | None = None,
    rows_before: int = 0,
) -> Iterator[Record]:
    """Of Parquet: the text first, then the others.

    Args:
        file: a path, or a file that is open for reading and can seek.
        row_groups: the first one and the one past the last; None reads all.
        rows_before: of the file, before these row groups.

    Raises InputError if a column is missing, `text_column` holds no strings, or reading fails;
    MissingDependencyError without pyarrow.
    """
    parquet = pyarrow_parquet()
    import pyarrow

    try:
        # pyarrow's pre_buffer would hold a whole row group, however large.
        with parquet.ParquetFile(file, buffer_size=_PARQUET_BUFFER, pre_buffer=False) as opened:
            names = opened.schema_arrow.names
            columns = [text_column, *other_columns]
            for column in columns:
                if names.count(column) != 1:
                    raise InputError(f"{name}: {_no_column('column', column, names)}")
            kind = opened.schema_arrow.field(text_column).type
            value_kind = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
            if not (
                pyarrow.types.is_string(value_kind) or pyarrow.types.is_large_string(value_kind)
            ):
                raise InputError(
                    f"{name}: the column {text_column!r} holds {kind}; expected string"
                )
            number = rows_before
            groups = range(*(row_groups or (0, opened.num_row_groups)))
            read = opened.iter_batches(
                _PARQUET_ROWS, row_groups=groups, columns=list(dict.fromkeys(columns))
            )
            for batch in read:
                found = (batch.column(column).to_pylist() for column in columns)
                for values in zip(*found, strict=True):
                    number += 1
                    yield Record(number, values)
    except (OSError, pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{name} cannot be read as Parquet: {error}") from error


def pyarrow_parquet() -> Any:
    """The module. Raises MissingDependencyError without it."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError("reading Parquet files", "pyarrow", "parquet") from error
    return pyarrow.parquet


def text_problem(value: object) -> str | None:
    """What is wrong with a value that should be a text that can be encoded; None if nothing is."""
    if not isinstance(value, str):
        return f"expected a string, found {json_kind(value)}"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        return (
            f"holds a lone surrogate (U+{ord(value[error.start]):04X}) at character "
            f"{error.start + 1}, which is no Unicode text"
        )
    return None


def json_kind(value: object) -> str:
    """JSON's name of a value's kind, with its article."""
    if value is None:
        return "null"
    kinds = {bool: "a boolean", dict: "an object", list: "a list", str: "a string"}
    return kinds.get(type(value), "a number")


def _no_column(what: str, column: str, names: Sequence[str]) -> str:
    known = ", ".join(repr(name) for name in names[:10]) + (", …" if len(names) > 10 else "")
    if column in names:
        return f"the {what} {column!r} stands there twice"
    return f"no {what} {column!r}; it has {known or 'none'} (choose one with --column)"
