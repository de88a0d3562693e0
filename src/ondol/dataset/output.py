"""The output folder: which files it has, and what a partition's record says.

    _run.json                   settings and partitions, written before the first vector
    part-00000.parquet          ids and vectors of a partition
    _partitions/part-00000.json rows, bytes and sha256 of that file: only with it it counts as done
    _failed/part-00000.jsonl    rows without a vector and why, if there are any
    _manifest.json              all of that together, written when everything is done

Programs that read a folder of Parquet pass over names that begin with "_" or ".".
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ondol.dataset.partitions import Partition
from ondol.dataset.rows import FailedRow
from ondol.dataset.storage import Folder
from ondol.errors import ResumeError

RUN_FILE = "_run.json"
MANIFEST_FILE = "_manifest.json"
FAILED_FOLDER = "_failed"
_RECORD_FOLDER = "_partitions"


@dataclass(frozen=True)
class PartitionRecord:
    """What became of a partition.

    Attributes:
        name: of the partition.
        source: URL of its input file.
        rows: with a vector.
        failed: rows without one.
        truncated: rows with a vector whose text was longer than the model takes, and was cut.
        prompted: rows with a vector whose text began with a prompt and got another before it.
        tokens: that were run, special tokens and prompts included.
        bytes, sha256: of the Parquet file.
        worker: the machine that made it: another kind of processor may give other last bits.
    """

    name: str
    source: str
    rows: int
    failed: int
    truncated: int
    prompted: int
    tokens: int
    bytes: int
    sha256: str
    worker: str

    @property
    def file(self) -> str:
        """Name of the Parquet file."""
        return vectors_file(self.name)


def vectors_file(partition: str) -> str:
    """Name of a partition's Parquet file."""
    return f"{partition}.parquet"


def write_failed(folder: Folder, partition: Partition, rows: Sequence[FailedRow]) -> None:
    """One JSON object a line: where the row stands, its id, and the reason."""
    lines = (
        {"source": partition.source, "place": row.place, "id": row.id, "reason": row.reason}
        for row in rows
    )
    with folder.write(f"{FAILED_FOLDER}/{partition.name}.jsonl") as file:
        for line in lines:
            # Ids that are no Unicode stay readable, as escapes.
            file.write(json.dumps(line).encode() + b"\n")


def write_record(folder: Folder, record: PartitionRecord) -> None:
    """From now on the partition counts as done."""
    write_json(folder, f"{_RECORD_FOLDER}/{record.name}.json", asdict(record))


def finished(folder: Folder) -> Iterator[PartitionRecord]:
    """Records whose Parquet file is there, with the length it should have.

    Raises ResumeError for one that cannot be read.
    """
    sizes = folder.sizes()
    prefix = f"{_RECORD_FOLDER}/"
    names = [name for name in sizes if name.startswith(prefix) and name.endswith(".json")]
    for name, content in folder.read_all(names).items():
        try:
            record = PartitionRecord(**json.loads(content))
            if name != f"{prefix}{record.name}.json":
                raise ValueError(f"it is the record of {record.name!r:.80}")
            for field in fields(record):
                value = getattr(record, field.name)
                if type(value) is not field.type:
                    raise TypeError(f"its {field.name} is {value!r:.80}")
        except (RecursionError, TypeError, ValueError) as error:
            raise ResumeError(
                f"{folder.url}/{name} cannot be read ({error}): remove it, and its part is made "
                "again"
            ) from error
        if sizes.get(record.file) == record.bytes:
            yield record


def write_manifest(
    folder: Folder, settings: Mapping[str, Any], records: Iterable[PartitionRecord]
) -> None:
    """Everything about a finished run."""
    entries = [asdict(record) for record in sorted(records, key=lambda record: record.name)]
    totals = {key: sum(one[key] for one in entries) for key in ("rows", "failed", "bytes")}
    write_json(folder, MANIFEST_FILE, {"settings": settings, **totals, "partitions": entries})


def write_json(folder: Folder, name: str, content: Any) -> None:
    """With a line for each value, for people."""
    with folder.write(name) as file:
        file.write(json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n")
