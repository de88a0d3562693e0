"""The rows of a partition: those with a text and an id, and those that fail, with the reason."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ondol.dataset.partitions import Partition, stamp_of
from ondol.dataset.storage import locate
from ondol.dataset.vectors import IdType
from ondol.errors import InputError
from ondol.records import (
    FileFormat,
    Record,
    csv_records,
    json_kind,
    json_records,
    parquet_records,
    text_problem,
    unpacked_lines,
)

_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Row:
    """A text to embed. id: int or str, as the output's type wants it."""

    place: str
    id: Any
    text: str


@dataclass(frozen=True)
class FailedRow:
    """A row without a vector.

    place: "line 3" or "row 3", counted from 1 in the whole file.
    id: as it was read, if that was possible and JSON can hold it.
    """

    place: str
    id: str | int | None
    reason: str


def read_rows(
    partition: Partition, *, column: str, id_column: str | None, ids: IdType
) -> Iterator[Row | FailedRow]:
    """In the file's order. Without an id_column a row's id is FILE:NUMBER, as in the messages.

    Raises InputError for what makes the file unreadable, and if it is not the one that was found.
    """
    unit = partition.format.format.unit
    for record in _records(partition, column, id_column):
        number = record.number
        place = f"{unit} {number}"
        if record.problem is not None:
            yield FailedRow(place, None, record.problem)
            continue
        text = record.values[0]
        found = record.values[1] if id_column is not None else f"{partition.label}:{number}"
        shown = found if isinstance(found, str | int) else None
        reason = text_problem(text)
        if reason is not None:
            yield FailedRow(place, shown, f"{column!r}: {reason}")
            continue
        id_, reason = _as_id(found, ids)
        if reason is not None:
            yield FailedRow(place, shown, f"{id_column!r}: {reason}")
            continue
        yield Row(place, id_, text)


def _records(partition: Partition, column: str, id_column: str | None) -> Iterator[Record]:
    system, path = locate(partition.source)
    info = system.info(path)
    if (int(info["size"]), stamp_of(info)) != (partition.bytes, partition.stamp):
        raise InputError(
            f"{partition.source} is another file than when the run began: it has changed, or this "
            "machine has one of its own of that name; expected storage that all nodes share"
        )
    others = [] if id_column is None else [id_column]
    kind, packed = partition.format
    with system.open(path, "rb") as file:
        if kind is FileFormat.PARQUET:
            yield from parquet_records(
                file,
                partition.source,
                column,
                others,
                row_groups=partition.row_groups,
                rows_before=partition.rows_before,
            )
            return
        lines = _decoded(unpacked_lines(file, partition.source, packed=packed))
        if kind is FileFormat.JSONL:
            yield from json_records(lines, [column, *others])
        else:
            delimiter = "," if kind is FileFormat.CSV else "\t"
            yield from csv_records(lines, partition.source, [column, *others], delimiter)


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    """What is no UTF-8 becomes lone surrogates (PEP 383), by which `text_problem` knows it: one
    damaged byte is no reason to give up a file of millions of rows.
    """
    for number, line in enumerate(lines, 1):
        yield line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape")


def _as_id(value: object, ids: IdType) -> tuple[Any, str | None]:
    """The id, and what is wrong with it."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if ids is IdType.INT64:
        if not whole:
            return None, f"expected a whole number, found {json_kind(value)}"
        if value not in _INT64:
            return None, f"expected a number of 64 bits with a sign, found {value}"
        return value, None
    if whole:
        return str(value), None
    if not isinstance(value, str):
        return None, f"expected a string or a whole number, found {json_kind(value)}"
    return value, text_problem(value)
