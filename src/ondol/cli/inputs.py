"""The texts of a command: its arguments, standard input, or a file's lines or records."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ondol.errors import InputError
from ondol.records import (
    FileFormat,
    Record,
    binary_lines,
    csv_records,
    format_of,
    json_records,
    parquet_records,
    pyarrow_parquet,
    text_problem,
    unpacked_lines,
)


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
    return Source(name, "line", _read_lines(_decoded(binary_lines(sys.stdin.buffer, name), name)))


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
    named = format_of(path)
    if named is None:
        raise InputError(
            f"{path}: cannot tell the format from the suffix; expected .txt (or none), .jsonl, "
            ".ndjson, .csv or .tsv, with or without .gz, or .parquet"
        )
    name = str(path)
    if named.format is FileFormat.PARQUET:
        pyarrow_parquet()  # before any work is done
        records = parquet_records(path, name, column)
        return Source(name, named.format.unit, _texts(records, name, named.format, column))
    lines = _decoded(_file_lines(path, named.packed), name)
    match named.format:
        case FileFormat.JSONL:
            records = json_records(lines, [column])
        case FileFormat.CSV:
            records = csv_records(lines, name, [column], ",")
        case FileFormat.TSV:
            records = csv_records(lines, name, [column], "\t")
        case _:
            return Source(name, named.format.unit, _read_lines(lines))
    return Source(name, named.format.unit, _texts(records, name, named.format, column))


def _file_lines(path: Path, packed: bool) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield from unpacked_lines(file, str(path), packed=packed)


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


def _texts(records: Iterable[Record], name: str, kind: FileFormat, column: str) -> Iterator[Item]:
    """Raises InputError for the first record that holds no text."""
    field = f", field {column!r}" if kind is FileFormat.JSONL else ""
    for record in records:
        place = f"{name}, {kind.unit} {record.number}"
        if record.problem is not None:
            raise InputError(f"{place}: {record.problem}")
        yield Item(record.number, _checked(record.values[0], place + field))


def _checked(value: object, place: str) -> str:
    """`value` if it is a text that can be encoded. Raises InputError that names the place."""
    problem = text_problem(value)
    if problem is not None or not isinstance(value, str):
        raise InputError(f"{place}: {problem}")
    return value
