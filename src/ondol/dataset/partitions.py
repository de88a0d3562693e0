"""What there is to embed: the files that an input names, in parts that are done as a whole."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from ondol.dataset.storage import locate
from ondol.dataset.vectors import IdType
from ondol.errors import InputError
from ondol.records import FileFormat, NamedFormat, format_of, pyarrow_parquet

#: A Parquet file that is larger is divided between row groups, so that many workers share it and
#: little is lost with one of them. A smaller one is not even opened before its turn.
_DIVIDED_BYTES = 2**26

_FORMATS = (FileFormat.JSONL, FileFormat.CSV, FileFormat.TSV, FileFormat.PARQUET)

#: What file systems tell of a file that changes with its content, surest first.
_STAMPS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")

_MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class Partition:
    """A file, or some row groups of one, that becomes one file of the output.

    Attributes:
        name: of the output, without suffix.
        source: URL of the file.
        label: its path below the input, for ids and messages.
        bytes: of the file.
        stamp: differs when the file has changed.
        row_groups: the first one and the one past the last; None is the whole file.
        rows_before: of the file, before these row groups.
    """

    name: str
    source: str
    label: str
    bytes: int
    stamp: str
    row_groups: tuple[int, int] | None = None
    rows_before: int = 0

    @property
    def format(self) -> NamedFormat:
        """That its name tells."""
        named = format_of(PurePosixPath(self.source))
        assert named is not None
        return named

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        content = asdict(self)
        content["row_groups"] = None if self.row_groups is None else list(self.row_groups)
        return content

    @classmethod
    def of_dict(cls, content: Mapping[str, Any]) -> "Partition":
        """What `to_dict` gave."""
        groups = content["row_groups"]
        return cls(**{**content, "row_groups": None if groups is None else tuple(groups)})


@dataclass(frozen=True)
class _File:
    url: str
    label: str
    bytes: int
    stamp: str
    format: NamedFormat


def find_partitions(source: str) -> list[Partition]:
    """Of a file, a folder with all below it, or a glob; a path or a URL of fsspec.

    In a folder and a glob, files of other formats are passed over, and names that begin with "."
    or "_", which other programs use for what is no data.

    Raises InputError if there is nothing to read.
    """
    partitions: list[Partition] = []
    for file in _files(source):
        for groups, rows_before in _divided(file):
            partitions.append(
                Partition(
                    name=f"part-{len(partitions):05}",
                    source=file.url,
                    label=file.label,
                    bytes=file.bytes,
                    stamp=file.stamp,
                    row_groups=groups,
                    rows_before=rows_before,
                )
            )
    return partitions


def _files(source: str) -> Sequence[_File]:
    system, path = locate(source)
    system.invalidate_cache()
    if _MAGIC & set(path) and not system.exists(path):
        found, single = system.glob(path, detail=True), False
        # Below the last folder that is named in full.
        root = path[: min(path.index(mark) for mark in _MAGIC & set(path))].rpartition("/")[0]
    elif system.isdir(path):
        found, single, root = system.find(path, detail=True), False, path.rstrip("/")
    elif system.isfile(path):
        found, single, root = {path: system.info(path)}, True, path.rpartition("/")[0]
    else:
        raise InputError(f"{source}: there is no such file or folder")
    files = []
    for place, info in sorted(found.items()):
        label = place[len(root) :].lstrip("/")
        hidden = any(part.startswith((".", "_")) for part in label.split("/"))
        named = format_of(PurePosixPath(place))
        wanted = named is not None and named.format in _FORMATS and info["type"] == "file"
        if named is not None and wanted and (single or not hidden):
            url = str(system.unstrip_protocol(place))
            files.append(_File(url, label, int(info["size"]), stamp_of(info), named))
    if not files:
        raise InputError(
            f"{source} holds nothing to read; expected .parquet, or .jsonl, .ndjson, .csv or .tsv "
            "with or without .gz"
        )
    return files


def stamp_of(info: Mapping[str, Any]) -> str:
    """What tells a file from what it was before. info: as the file system gives it."""
    found = next((info[key] for key in _STAMPS if info.get(key) is not None), "")
    # Some give a number in a listing, and the same time as a date for the file alone.
    return str(found.timestamp() if isinstance(found, datetime) else found)


def _divided(file: _File) -> Iterator[tuple[tuple[int, int] | None, int]]:
    """Runs of row groups of about _DIVIDED_BYTES, each with the number of rows before it."""
    if file.format.format is not FileFormat.PARQUET or file.bytes <= _DIVIDED_BYTES:
        yield None, 0
        return
    with _opened(file.url) as parquet:
        groups = [parquet.metadata.row_group(n) for n in range(parquet.metadata.num_row_groups)]
    share = file.bytes / sum(group.total_byte_size for group in groups) if groups else 0
    first = rows_before = rows = 0
    size = 0.0
    for number, group in enumerate(groups, 1):
        size += group.total_byte_size * share
        rows += group.num_rows
        if size >= _DIVIDED_BYTES or number == len(groups):
            yield (first, number), rows_before
            first, rows_before, size = number, rows, 0.0
    if not groups:
        yield None, 0


def id_type(partitions: Sequence[Partition], id_column: str | None) -> IdType:
    """Whole numbers if all files are Parquet and the first one's column holds them, else strings.

    id_column: None for ids of file names. Raises InputError if the first file has no such column.
    """
    if id_column is None:
        return IdType.STRING
    if any(partition.format.format is not FileFormat.PARQUET for partition in partitions):
        return IdType.STRING
    import pyarrow

    with _opened(partitions[0].source) as parquet:
        schema = parquet.schema_arrow
    if id_column not in schema.names:
        raise InputError(
            f"{partitions[0].source}: no column {id_column!r}; it has "
            f"{', '.join(map(repr, schema.names))} (choose one with --id-column)"
        )
    integers = pyarrow.types.is_integer(schema.field(id_column).type)
    return IdType.INT64 if integers else IdType.STRING


@contextmanager
def _opened(url: str) -> Iterator[Any]:
    """A ParquetFile, of which its footer is read. Raises InputError if that cannot be done."""
    import pyarrow

    system, path = locate(url)
    try:
        with system.open(path, "rb") as file, pyarrow_parquet().ParquetFile(file) as parquet:
            yield parquet
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{url} cannot be read as Parquet: {error}") from error
