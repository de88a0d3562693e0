"""The pool of workers, with a Ray that is played by a class: how it grows, and when it gives up."""

from collections.abc import Callable
from typing import Any

import pytest

from ondol.dataset.budget import ErrorBudget
from ondol.dataset.partitions import Partition
from ondol.dataset.ray_pool import RayExecutor, _Pool
from ondol.errors import EngineError, InputError, NumericalError

PARTITIONS = [Partition(f"part-{n}", f"file:///{n}.csv", f"{n}.csv", 0, "") for n in range(6)]

#: What becomes of a task: it returns, or raises.
Outcome = Callable[[], Any]


class Actor:
    def __init__(self, ray: "FakeRay") -> None:
        self.killed = False
        self.load = Method(lambda: ray.task(self, "load"))
        self.embed = Method(lambda partition, allowed: ray.task(self, partition.name))


class Method:
    def __init__(self, call: Callable[..., Any]) -> None:
        self.remote = call


class ActorError(Exception):
    pass


class TaskError(Exception):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class FakeRay:
    """Tasks end in the order in which they were begun. cpus: of each node."""

    class exceptions:  # noqa: N801
        RayActorError = ActorError
        OutOfMemoryError = MemoryError
        RayTaskError = TaskError

    def __init__(self, cpus: list[int], outcome: Callable[[str], Any] = lambda name: name) -> None:
        self.cpus = cpus
        self.outcome = outcome
        self.actors: list[Actor] = []
        self.tasks: dict[int, tuple[Actor, str]] = {}
        self.most = 0

    def remote(self, **options: Any) -> Any:
        def make(*arguments: Any) -> Actor:
            self.actors.append(Actor(self))
            self.most = max(self.most, sum(not actor.killed for actor in self.actors))
            return self.actors[-1]

        return lambda kind: Method(make)

    def task(self, actor: Actor, name: str) -> int:
        number = len(self.tasks)
        self.tasks[number] = actor, name
        return number

    def wait(self, references: list[int], **options: Any) -> tuple[list[int], list[int]]:
        first, *others = sorted(references)
        return [first], others

    def get(self, reference: int) -> Any:
        actor, name = self.tasks[reference]
        assert not actor.killed
        return self.outcome(name)

    def kill(self, actor: Actor) -> None:
        actor.killed = True

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": count}} for count in self.cpus]


def run(ray: FakeRay, **options: Any) -> list[Any]:
    pool = _Pool(ray, RayExecutor(**options), bundle=None, job=None)  # type: ignore[arg-type]
    try:
        return list(pool.run(PARTITIONS, ErrorBudget(0)))
    finally:
        pool.close()
        assert all(actor.killed for actor in ray.actors)


def begun(ray: FakeRay) -> list[str]:
    return [name for _, name in ray.tasks.values() if name != "load"]


@pytest.mark.parametrize(
    ("cpus", "options", "most"),
    [
        ([1, 1], {}, 2),
        ([4, 1], {"threads": 2}, 2),
        ([64], {}, 6),  # no more than there are partitions
        ([64], {"max_workers": 3}, 3),
        ([1], {"min_workers": 4, "max_workers": 4}, 4),
    ],
)
def test_every_partition_is_done_once_by_as_many_workers_as_there_is_room_for(
    cpus: list[int], options: dict[str, Any], most: int
) -> None:
    ray = FakeRay(cpus)
    assert sorted(run(ray, **options)) == [partition.name for partition in PARTITIONS]
    assert len(begun(ray)) == len(PARTITIONS)
    assert ray.most == most


def test_a_node_that_joins_later_is_used() -> None:
    ray = FakeRay([1])

    def outcome(name: str) -> str:
        if name == "part-1":
            ray.cpus.append(1)
        return name

    ray.outcome = outcome
    assert sorted(run(ray)) == [partition.name for partition in PARTITIONS]
    assert ray.most == 2


def test_what_a_dead_worker_had_is_given_to_another() -> None:
    deaths = iter([ActorError("killed"), MemoryError("too much")])

    def outcome(name: str) -> str:
        if name == "part-2" and (error := next(deaths, None)) is not None:
            raise error
        return name

    ray = FakeRay([1, 1], outcome)
    assert sorted(run(ray)) == [partition.name for partition in PARTITIONS]
    assert begun(ray).count("part-2") == 3
    assert len(begun(ray)) == len(PARTITIONS) + 2


@pytest.mark.parametrize(
    ("victim", "message"),
    [("part-1", r"4 workers died over file:///1\.csv"), ("load", "while they loaded the model")],
)
def test_four_deaths_over_the_same_end_the_run(victim: str, message: str) -> None:
    def outcome(name: str) -> str:
        if name == victim:
            raise ActorError("killed")
        return name

    ray = FakeRay([2], outcome)
    with pytest.raises(EngineError, match=message):
        run(ray)
    assert sum(name == victim for _, name in ray.tasks.values()) >= 4


def test_deaths_before_the_first_partition_count_only_in_a_row() -> None:
    loads = iter(["dies", "dies", "dies", "loads", "dies", "dies", "dies", "loads"])

    def outcome(name: str) -> str:
        # The first worker dies over its partition: a second one has to load.
        if (name == "load" and next(loads) == "dies") or (name == "part-0" and len(tasks) < 6):
            raise ActorError("killed")
        return name

    ray = FakeRay([1], outcome)
    tasks = ray.tasks
    assert sorted(run(ray)) == [partition.name for partition in PARTITIONS]
    assert next(loads, None) is None


def test_an_error_of_a_worker_is_raised_as_it_was() -> None:
    def outcome(name: str) -> str:
        if name == "part-3":
            raise TaskError(NumericalError("NaN for text 0"))
        return name

    with pytest.raises(NumericalError, match="NaN for text 0"):
        run(FakeRay([1], outcome))


def test_a_worker_that_fits_on_no_node_is_an_error_and_no_endless_wait() -> None:
    with pytest.raises(EngineError, match="no node of the Ray cluster has the 4 CPUs"):
        run(FakeRay([2, 2]), threads=4)


@pytest.mark.parametrize(
    "options", [{"threads": 0}, {"min_workers": 0}, {"min_workers": 3, "max_workers": 2}]
)
def test_numbers_that_make_no_sense_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="expected whole numbers from 1"):
        RayExecutor(**options)
