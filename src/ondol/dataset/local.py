"""One partition after the other, each over all cores of this machine."""

import platform
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ondol.dataset.budget import ErrorBudget
from ondol.dataset.embedding import embed_partition
from ondol.dataset.job import Job
from ondol.dataset.output import PartitionRecord
from ondol.dataset.partitions import Partition

if TYPE_CHECKING:
    from ondol.runtime.embedder import Embedder


@dataclass(frozen=True)
class LocalExecutor:
    """Embeds in this process: one model, whose threads share the rows of a partition.

    threads: of the engine; None takes one per physical core.
    """

    threads: int | None = None

    def run(
        self,
        model: "Embedder",
        job: Job,
        partitions: Sequence[Partition],
        budget: ErrorBudget,
        report_rows: Callable[[int], object],
    ) -> Generator[PartitionRecord, None, None]:
        """The record of each partition when it is done. Raises as `embed_partition`."""
        for partition in partitions:
            yield embed_partition(
                model,
                job,
                partition,
                allowed=budget.left,
                worker=platform.node(),
                report_rows=report_rows,
            )
