"""What runs in each actor of a Ray cluster."""

import platform
import warnings
from typing import TYPE_CHECKING

from ondol.dataset.embedding import embed_partition
from ondol.dataset.job import Job
from ondol.dataset.output import PartitionRecord
from ondol.dataset.partitions import Partition
from ondol.dataset.shipped_bundle import ShippedBundle
from ondol.runtime.reports import TruncationWarning

if TYPE_CHECKING:
    from ondol.runtime.embedder import Embedder


class PartitionWorker:
    """Loads the model once, and embeds one partition after the other."""

    def __init__(self, bundle: ShippedBundle, job: Job, threads: int) -> None:
        self._bundle = bundle
        self._job = job
        self._threads = threads
        self._model: Embedder | None = None

    def load(self) -> None:
        """Raises as `ondol.Embedder`. Not when the actor is made: Ray would wrap the error."""
        import ray

        self._model = self._bundle.open(
            ray, threads=self._threads, precision=self._job.vectors.precision
        )

    def embed(self, partition: Partition, allowed: int) -> PartitionRecord:
        """As `embed_partition`; `load` comes first."""
        import ray

        assert self._model is not None
        node = ray.get_runtime_context().get_node_id()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncationWarning)  # counted in the record
            return embed_partition(
                self._model,
                self._job,
                partition,
                allowed=allowed,
                worker=f"{platform.node()}, Ray node {node}",
            )
