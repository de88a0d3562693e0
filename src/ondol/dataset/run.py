"""A run from the arguments to the manifest."""

import os
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ondol.dataset.budget import DEFAULT_MAX_ERRORS, ErrorBudget
from ondol.dataset.job import Job
from ondol.dataset.local import LocalExecutor
from ondol.dataset.output import PartitionRecord, finished, write_manifest
from ondol.dataset.partitions import Partition, find_partitions, id_type
from ondol.dataset.resume import begin
from ondol.dataset.storage import Folder, absolute_url
from ondol.dataset.vectors import VectorType
from ondol.errors import InputError, MissingDependencyError
from ondol.prompts import DOCUMENT_PROMPTS, choose_prompt

if TYPE_CHECKING:
    from ondol.runtime.embedder import Embedder


class Executor(Protocol):
    """Where partitions are embedded: `LocalExecutor` or `RayExecutor`."""

    @property
    def threads(self) -> int | None: ...

    def run(
        self,
        model: "Embedder",
        job: Job,
        partitions: Sequence[Partition],
        budget: ErrorBudget,
        report_rows: Callable[[int], object],
    ) -> Generator[PartitionRecord, None, None]: ...


@dataclass(frozen=True)
class DatasetReport:
    """What a run did.

    Attributes:
        partitions: of the whole input.
        kept: of them, those that an earlier run had done.
        rows: embedded in this run.
        failed: rows without a vector, in the whole input.
        truncated: rows whose text was cut, in the whole input.
        prompted: rows whose text began with a prompt and got another before it, in the whole input.
        seconds: of this run.
    """

    partitions: int
    kept: int
    rows: int
    failed: int
    truncated: int
    prompted: int
    seconds: float


def embed_dataset(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    column: str = "text",
    id_column: str | None = None,
    bundle: str | os.PathLike[str] | None = None,
    variant: str | None = None,
    prompt_name: str | None = None,
    precision: str = "float32",
    max_errors: int = DEFAULT_MAX_ERRORS,
    executor: Executor | None = None,
    report_rows: Callable[[int], object] = lambda rows: None,
) -> DatasetReport:
    """Embed a column of a data set into a folder of Parquet files, one for each input file.

    The vectors are those of `ondol.Embedder`, bit for bit on processors of the same kind, in
    whatever order and wherever they are made. A run that was stopped or killed goes on where it
    was when it is called again with the same arguments.

    Args:
        source: a .parquet, .jsonl, .csv or .tsv file (text formats also with .gz), a folder, a
            glob, or an fsspec URL of one of these.
        out: a folder or URL, new or of the run to be continued.
        column: with the texts.
        id_column: with strings or whole numbers; None makes ids of the form FILE:NUMBER.
        bundle, variant: as for `ondol.Embedder`.
        prompt_name: of the bundle's prompts, or "none"; None takes its prompt for documents.
        precision: "float32", "float16", "int8" or "ubinary".
        max_errors: rows without a text or an id that are put aside before the run gives up.
        executor: None is `LocalExecutor()`.
        report_rows: called with each further number of rows that were worked through.

    Raises:
        InputError: there is nothing to read, a file or argument cannot be used, or too many rows
            fail.
        ResumeError: `out` holds another run, or the input has changed since.
        MissingDependencyError: fsspec, pyarrow or Ray is not installed.
        EngineError: workers die again and again.
        And what `ondol.Embedder` raises.
    """
    from ondol.runtime.embedder import Embedder
    from ondol.runtime.reports import TruncationWarning

    _check_installed()
    if max_errors < 0:
        raise InputError(f"max_errors is {max_errors}; expected a whole number from 0")
    executor = LocalExecutor() if executor is None else executor
    vectors = VectorType.parse(precision)
    folder = Folder(absolute_url(os.fspath(out)))
    started = time.monotonic()
    partitions = find_partitions(os.fspath(source))
    _check_apart(folder, absolute_url(os.fspath(source)), partitions)
    with (
        Embedder(bundle, variant=variant, threads=executor.threads) as model,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", TruncationWarning)  # counted in the records
        # Raises now what would be raised at the first text: a bundle without ranges for int8.
        model.embed([], precision=vectors.precision.value)
        prompt = choose_prompt(prompt_name, model.prompts, default=DOCUMENT_PROMPTS)
        job = Job(
            out=folder.url,
            column=column,
            id_column=id_column,
            ids=id_type(partitions, id_column),
            vectors=vectors,
            dimension=model.dimension,
            prompt=prompt,
            prompts=tuple(filter(None, model.prompts.values())) if prompt else (),
            variant=model.variant,
            engine=model.engine,
            identity=model.identity,
        )
        begin(folder, job, partitions)
        known = {record.name: record for record in finished(folder)}
        budget = ErrorBudget(max_errors)
        budget.spend(sum(record.failed for record in known.values()))
        left = [partition for partition in partitions if partition.name not in known]
        made = []
        # Closed at once after an error: workers must not go on.
        with closing(executor.run(model, job, left, budget, report_rows)) as finishing:
            for record in finishing:
                _check_arrived(folder, record)
                made.append(record)
                budget.spend(record.failed)
    folder.remove_partial()  # of workers that died
    records = [*known.values(), *made]
    write_manifest(folder, job.settings(), records)
    return DatasetReport(
        partitions=len(partitions),
        kept=len(known),
        rows=sum(record.rows for record in made),
        failed=sum(record.failed for record in records),
        truncated=sum(record.truncated for record in records),
        prompted=sum(record.prompted for record in records),
        seconds=time.monotonic() - started,
    )


def _check_installed() -> None:
    """Before the first byte is read, also where the input is text."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("embed-dataset", "pyarrow", "dataset") from error


def _check_apart(folder: Folder, source: str, partitions: Sequence[Partition]) -> None:
    """Raises InputError if the output would be input of the next run."""
    out = f"{folder.url.rstrip('/')}/"
    inside = out.startswith(f"{source.rstrip('/')}/")
    if inside or any(partition.source.startswith(out) for partition in partitions):
        raise InputError(f"{folder.url} lies in the input ({source}); choose another --out")


def _check_arrived(folder: Folder, record: PartitionRecord) -> None:
    """Raises InputError if a worker wrote to another folder of the same name."""
    if folder.size(record.file) != record.bytes:
        raise InputError(
            f"{record.worker} wrote {record.file}, and it is not in {folder.url} as it is seen "
            "from here; expected storage that all nodes share: choose another --out"
        )
