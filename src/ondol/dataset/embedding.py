"""A partition from its rows to its finished file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from ondol.dataset.budget import check_partition
from ondol.dataset.job import Job
from ondol.dataset.output import PartitionRecord, vectors_file, write_failed, write_record
from ondol.dataset.partitions import Partition
from ondol.dataset.rows import FailedRow, Row, read_rows
from ondol.dataset.storage import Folder
from ondol.dataset.vectors import vector_writer
from ondol.errors import NumericalError

if TYPE_CHECKING:
    from ondol.runtime.embedder import EmbedResult

#: Rows that are read, embedded and written together: they bound the memory of a worker.
_WINDOW = 1024


class Model(Protocol):
    """What is needed of `ondol.Embedder`; `ondol.testing.FakeEmbedder` has it too."""

    def embed(
        self, texts: Sequence[str], *, prompt: str | None, precision: str
    ) -> "EmbedResult": ...


def embed_partition(
    model: Model,
    job: Job,
    partition: Partition,
    *,
    allowed: int,
    worker: str,
    report_rows: Callable[[int], object] = lambda rows: None,
) -> PartitionRecord:
    """Write the partition's vectors, the rows that failed and, last, its record.

    Whoever does it again, here or on another machine, writes the same bytes to the same names: so
    a partition is in the output once, however often it was begun.

    Args:
        allowed: rows that may fail.
        worker: for the record.
        report_rows: called with each further number of rows.

    Raises InputError if more rows fail, or if the file cannot be read.
    """
    folder = Folder(job.out)
    failed: list[FailedRow] = []
    rows = truncated = prompted = tokens = 0
    metadata = {**job.settings(), "source": partition.source, "partition": partition.name}
    read = read_rows(partition, column=job.column, id_column=job.id_column, ids=job.ids)
    with folder.write(vectors_file(partition.name)) as file:
        columns = job.vectors.precision.columns(job.dimension)
        with vector_writer(
            file, ids=job.ids, vectors=job.vectors, columns=columns, metadata=metadata
        ) as writer:
            for window in _windows(read, failed):
                check_partition(partition.source, failed, allowed)
                for done, result in _embedded(model, job, window, failed):
                    writer.write([row.id for row in done], result.vectors)
                    rows += len(done)
                    truncated += len(result.truncated)
                    prompted += sum(row.text.startswith(job.prompts) for row in done)
                    tokens += int(result.token_counts.sum())
                report_rows(len(window))
            check_partition(partition.source, failed, allowed)
    record = PartitionRecord(
        name=partition.name,
        source=partition.source,
        rows=rows,
        failed=len(failed),
        truncated=truncated,
        prompted=prompted,
        tokens=tokens,
        bytes=file.bytes,
        sha256=file.sha256,
        worker=worker,
    )
    if failed:
        write_failed(folder, partition, failed)
    write_record(folder, record)
    return record


def _windows(read: Iterable[Row | FailedRow], failed: list[FailedRow]) -> Iterator[list[Row]]:
    """Rows in stretches; those that failed are put aside, a stretch of nothing else is empty."""
    source = iter(read)
    while stretch := list(islice(source, _WINDOW)):
        failed += [row for row in stretch if isinstance(row, FailedRow)]
        yield [row for row in stretch if isinstance(row, Row)]


def _embedded(
    model: Model, job: Job, rows: Sequence[Row], failed: list[FailedRow]
) -> Iterator[tuple[Sequence[Row], "EmbedResult"]]:
    """Rows with their vectors; a text for which the engine gives none is put aside."""
    options: dict[str, Any] = {"prompt": job.prompt, "precision": job.vectors.precision.value}
    try:
        result = model.embed([row.text for row in rows], **options)
    except NumericalError:
        pass
    else:
        yield rows, result
        return
    # A text's vector does not depend on its neighbours.
    for row in rows:
        try:
            result = model.embed([row.text], **options)
        except NumericalError as error:
            failed.append(FailedRow(row.place, row.id, str(error)))
        else:
            yield [row], result
