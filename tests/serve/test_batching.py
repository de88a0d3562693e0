"""The queue: what runs when, with whom, and what an error or a lost caller does to the rest."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.serve.batching import BatchQueue


class Engine:
    """Notes its batches; while `open` is not set, they do not end."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()

    def run(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        assert self.open.wait(10)
        if -1 in items:
            raise ValueError("no result for -1")
        return [10 * item for item in items]


def queue_of(engine: Engine, **options: Any) -> BatchQueue[int, int]:
    defaults: dict[str, Any] = {
        "cost": lambda item: 1,
        "short_lanes": 1,
        "long_lanes": 1,
        "batch_cost": 4,
        "short": 20,
        "on_batch": lambda count: None,
    }
    return BatchQueue(engine.run, **(defaults | options))


Scenario = Callable[[BatchQueue[int, int], Engine], Coroutine[Any, Any, None]]


def play(scenario: Scenario, **options: Any) -> Engine:
    """Run a scenario in an event loop of its own."""
    engine = Engine()

    async def body() -> None:
        queue = queue_of(engine, **options)
        await scenario(queue, engine)
        assert queue.waiting == 0
        queue.close()

    asyncio.run(asyncio.wait_for(body(), 20))
    return engine


async def busy(queue: BatchQueue[int, int], engine: Engine) -> "asyncio.Task[list[int]]":
    """Have a lane of the short ones run item 0 until `engine.open` is set."""
    engine.open.clear()
    task = asyncio.create_task(queue.submit([0]))
    await batches_begun(engine, 1)
    return task


async def batches_begun(engine: Engine, count: int) -> None:
    while len(engine.batches) < count:
        await asyncio.sleep(0.001)


def submit_all(
    queue: BatchQueue[int, int], requests: Sequence[Sequence[int]]
) -> "list[asyncio.Task[list[int]]]":
    return [asyncio.create_task(queue.submit(items)) for items in requests]


def test_a_lone_request_runs_at_once_and_in_order() -> None:
    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        assert await queue.submit([1, 2, 3, 4, 5]) == [10, 20, 30, 40, 50]
        assert await queue.submit([]) == []

    assert play(scenario).batches == [[1, 2, 3, 4], [5]]


def test_what_arrives_while_the_engine_is_busy_shares_the_next_batch() -> None:
    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        first = await busy(queue, engine)
        tasks = submit_all(queue, [[1], [2], [3]])
        await asyncio.sleep(0)
        assert queue.waiting == 3
        engine.open.set()
        assert await first == [0]
        assert await asyncio.gather(*tasks) == [[10], [20], [30]]

    assert play(scenario).batches == [[0], [1, 2, 3]]


def test_a_second_lane_does_not_wait_for_the_first() -> None:
    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        first = await busy(queue, engine)
        second = asyncio.create_task(queue.submit([1]))
        await batches_begun(engine, 2)
        engine.open.set()
        assert await asyncio.gather(first, second) == [[0], [10]]

    assert play(scenario, short_lanes=2).batches == [[0], [1]]


def test_a_batch_of_short_requests_is_filled_to_its_cost() -> None:
    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        first = await busy(queue, engine)
        tasks = submit_all(queue, [[1, 2, 3], [4, 5], [6]])
        await asyncio.sleep(0)
        engine.open.set()
        assert await asyncio.gather(*tasks) == [[10, 20, 30], [40, 50], [60]]
        await first

    # What did not fit waits behind what did not fit at all.
    assert play(scenario).batches == [[0], [1, 2, 3, 4], [6, 5]]


def test_long_requests_have_lanes_of_their_own() -> None:
    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        engine.open.clear()
        long = submit_all(queue, [list(range(100, 109)), list(range(200, 205))])
        await batches_begun(engine, 1)
        short = asyncio.create_task(queue.submit([1]))
        await batches_begun(engine, 2)
        engine.open.set()
        assert await short == [10]
        assert await asyncio.gather(*long) == [
            [10 * n for n in range(100, 109)],
            [10 * n for n in range(200, 205)],
        ]

    batches = play(scenario, short=1).batches
    assert batches[:2] == [[100, 101, 102, 103], [1]]
    # One lane for two of them: they take turns, and no batch has items of both.
    assert batches[2:] == [[200, 201, 202, 203], [104, 105, 106, 107], [204], [108]]


def test_a_long_request_has_one_batch_at_a_time_and_leaves_lanes_to_others() -> None:
    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        engine.open.clear()
        first = asyncio.create_task(queue.submit(list(range(100, 108))))
        await batches_begun(engine, 1)
        second = asyncio.create_task(queue.submit(list(range(200, 202))))
        await batches_begun(engine, 2)
        engine.open.set()
        assert await first == [10 * n for n in range(100, 108)]
        assert await second == [2000, 2010]

    batches = play(scenario, short=1, long_lanes=3).batches
    assert batches == [[100, 101, 102, 103], [200, 201], [104, 105, 106, 107]]


def test_items_of_a_lost_caller_are_dropped_before_they_run() -> None:
    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        first = await busy(queue, engine)
        lost, kept = submit_all(queue, [[1, 2, 3], [4]])
        await asyncio.sleep(0)
        lost.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lost
        engine.open.set()
        assert await kept == [40]
        await first

    assert play(scenario).batches == [[0], [4]]


def test_a_long_request_of_a_lost_caller_stops_in_its_middle() -> None:
    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        engine.open.clear()
        task = asyncio.create_task(queue.submit(list(range(100))))
        await batches_begun(engine, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        engine.open.set()
        assert await queue.submit([7]) == [70]

    assert play(scenario).batches == [[0, 1, 2, 3], [7]]


def test_an_error_reaches_the_request_that_caused_it_alone() -> None:
    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        first = await busy(queue, engine)
        good, bad, also_good = submit_all(queue, [[1], [-1, 5, 6, 7, 8], [2]])
        await asyncio.sleep(0)
        engine.open.set()
        assert await good == [10]
        with pytest.raises(ValueError, match="no result for -1"):
            await bad
        assert await also_good == [20]
        await first

    engine = play(scenario)
    assert engine.batches[1:] == [[1, -1, 5, 6], [1], [-1, 5, 6], [2]]
    assert not any({7, 8} & set(batch) for batch in engine.batches), "failed: not run further"


def test_nothing_runs_after_an_error_in_the_middle_of_a_lone_request() -> None:
    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        with pytest.raises(ValueError, match="no result for -1"):
            await queue.submit([1, 2, -1, 4, 5, 6, 7, 8, 9])

    assert play(scenario).batches == [[1, 2, -1, 4]]


def test_every_batch_is_counted() -> None:
    counts: list[int] = []

    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        await queue.submit([1, 2, 3, 4, 5])

    play(scenario, on_batch=counts.append)
    assert counts == [4, 1]


@given(
    requests=st.lists(st.lists(st.integers(1, 9), max_size=12), max_size=8),
    short_lanes=st.integers(1, 3),
    long_lanes=st.integers(1, 3),
    batch_cost=st.integers(1, 20),
    short=st.integers(0, 40),
)
def test_every_item_runs_once_within_the_cost_of_a_batch(
    requests: list[list[int]], short_lanes: int, long_lanes: int, batch_cost: int, short: int
) -> None:
    async def scenario(queue: BatchQueue[int, int], engine: Engine) -> None:
        results = await asyncio.gather(*submit_all(queue, requests))
        assert results == [[10 * item for item in items] for items in requests]

    engine = play(
        scenario,
        cost=lambda item: item,
        short_lanes=short_lanes,
        long_lanes=long_lanes,
        batch_cost=batch_cost,
        short=short,
    )
    assert sorted(i for batch in engine.batches for i in batch) == sorted(
        item for items in requests for item in items
    )
    assert all(sum(batch) <= batch_cost or len(batch) == 1 for batch in engine.batches)
