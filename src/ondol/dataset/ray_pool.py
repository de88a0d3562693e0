"""Partitions on a Ray cluster: a pool of actors, each with its model, and one partition at a time.

Ray Core and not Ray Data: a partition is read, embedded and written where its actor runs, so that
no rows and no vectors go through the object store, and since its files have the same names each
time, one that is begun again does no harm. Ray Data names what it writes anew each time, and keeps
the settings of all data sets of a process in one context.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ondol.dataset.budget import ErrorBudget
from ondol.dataset.job import Job
from ondol.dataset.output import PartitionRecord
from ondol.dataset.partitions import Partition
from ondol.dataset.ray_cluster import connected, import_ray
from ondol.dataset.shipped_bundle import ShippedBundle
from ondol.dataset.worker import PartitionWorker
from ondol.errors import EngineError, InputError, OndolError

if TYPE_CHECKING:
    from ondol.runtime.embedder import Embedder

#: Workers that may die over a partition, or while they load the model: by then it is not the
#: machine's fault.
_MAX_DEATHS = 4

#: Seconds between looks at whether the cluster has grown.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class RayExecutor:
    """Embeds on a Ray cluster, whose nodes have this package, and reach input and output.

    Args:
        address: of the cluster, "HOST:PORT" or "auto". None takes the one that this process is
            connected to, and otherwise starts one on this machine for the run.
        threads: of the engine of a worker, and the CPUs that it takes of a node.
        min_workers: asked for at once.
        max_workers: the most, also if the cluster's autoscaler has to bring nodes for them. None
            takes as many as the nodes have room for, also those that join later.

    Raises InputError for numbers below 1, and if min_workers is above max_workers.
    """

    address: str | None = None
    threads: int = 1
    min_workers: int = 1
    max_workers: int | None = None

    def __post_init__(self) -> None:
        most = self.min_workers if self.max_workers is None else self.max_workers
        if self.threads < 1 or not 1 <= self.min_workers <= most:
            raise InputError(
                f"threads={self.threads}, min_workers={self.min_workers}, "
                f"max_workers={self.max_workers}; expected whole numbers from 1, and min_workers "
                "not above max_workers"
            )

    def run(
        self,
        model: "Embedder",
        job: Job,
        partitions: Sequence[Partition],
        budget: ErrorBudget,
        report_rows: Callable[[int], object],
    ) -> Generator[PartitionRecord, None, None]:
        """The record of each partition when it is done, in no order.

        Raises what a worker raises, EngineError if workers die again and again or no node has
        room for one, and MissingDependencyError without Ray.
        """
        ray = import_ray()
        if not partitions:
            return
        with connected(ray, self.address):
            pool = _Pool(ray, self, ShippedBundle.put(ray, model), job)
            try:
                for record in pool.run(partitions, budget):
                    report_rows(record.rows)
                    yield record
            finally:
                pool.close()


class _Pool:
    """The actors, what each is busy with, and what is left to do."""

    def __init__(self, ray: Any, options: RayExecutor, bundle: ShippedBundle, job: Job) -> None:
        self._ray = ray
        self._options = options
        # Not restarted by Ray: a new one is asked for where there is room.
        actor_class = ray.remote(num_cpus=options.threads, max_restarts=0)(PartitionWorker)
        self._new_actor: Callable[[], Any] = lambda: actor_class.remote(
            bundle, job, options.threads
        )
        #: Actors by the reference that tells when they have loaded the model.
        self._starting: dict[Any, Any] = {}
        self._idle: list[Any] = []
        #: Actor and partition by the reference to its record.
        self._busy: dict[Any, tuple[Any, Partition]] = {}
        self._left: deque[Partition] = deque()
        #: By name of the partition; "" for those that died before their first.
        self._deaths: dict[str, int] = {}

    def run(
        self, partitions: Sequence[Partition], budget: ErrorBudget
    ) -> Generator[PartitionRecord, None, None]:
        """Records in the order in which they come. At no time has an actor more than one
        partition, so that one that dies takes with it no more than that.
        """
        self._left.extend(partitions)
        while self._left or self._busy:
            self._give_out(budget)
            self._grow()
            waiting = [*self._starting, *self._busy]
            ready, _ = self._ray.wait(waiting, num_returns=1, timeout=_LOOK_SECONDS)
            for reference in ready:
                if reference in self._starting:
                    self._take_in(reference)
                elif (record := self._result(reference)) is not None:
                    yield record

    def close(self) -> None:
        """End all actors, also those that are at work."""
        busy = (actor for actor, _ in self._busy.values())
        for actor in (*self._starting.values(), *self._idle, *busy):
            self._ray.kill(actor)

    def _give_out(self, budget: ErrorBudget) -> None:
        while self._left and self._idle:
            actor, partition = self._idle.pop(), self._left.popleft()
            self._busy[actor.embed.remote(partition, budget.left)] = actor, partition
        # Who has nothing more to do gives its CPUs back.
        for actor in self._idle:
            self._ray.kill(actor)
        self._idle.clear()

    def _grow(self) -> None:
        """Ask for as many actors as there is work and room for."""
        wanted = min(len(self._busy) + len(self._left), self._room())
        while len(self._busy) + len(self._starting) < wanted:
            actor = self._new_actor()
            self._starting[actor.load.remote()] = actor

    def _room(self) -> int:
        least, most = self._options.min_workers, self._options.max_workers
        if most is not None:
            # An actor without a place is what makes an autoscaler bring a node: one at a time.
            return min(most, max(least, len(self._busy) + 1))
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        threads = self._options.threads
        places = sum(int(node.get("CPU", 0) // threads) for node in nodes)
        if places == 0:
            raise EngineError(
                f"no node of the Ray cluster has the {threads} CPUs that a worker takes: start "
                "nodes that do, or take fewer threads, and run the same again to go on"
            )
        return max(least, places)

    def _take_in(self, reference: Any) -> None:
        actor = self._starting.pop(reference)
        if self._outcome(reference, actor, "", "while they loaded the model") is not _DIED:
            self._deaths.pop("", None)  # it can be loaded: nodes may come and go for days
            self._idle.append(actor)

    def _result(self, reference: Any) -> PartitionRecord | None:
        actor, partition = self._busy.pop(reference)
        outcome = self._outcome(reference, actor, partition.name, f"over {partition.source}")
        if outcome is _DIED:
            self._left.appendleft(partition)
            return None
        self._idle.append(actor)
        record: PartitionRecord = outcome
        return record

    def _outcome(self, reference: Any, actor: Any, task: str, what: str) -> Any:
        """What an actor returned, or _DIED. Raises what it raised."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except (errors.RayActorError, errors.OutOfMemoryError) as error:
            # If it only cannot be reached, it must not go on beside its successor.
            self._ray.kill(actor)
            deaths = self._deaths[task] = self._deaths.get(task, 0) + 1
            if deaths >= _MAX_DEATHS:
                message = f"{deaths} workers died {what}, the last one so: {error}"
                raise EngineError(message) from error
            return _DIED
        except errors.RayTaskError as error:
            self._ray.kill(actor)
            if isinstance(error.cause, OndolError | OSError):
                raise error.cause from error
            raise


#: Stands for the result of an actor that died.
_DIED = object()
