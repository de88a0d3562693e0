"""Whose items an engine gets next, when more than one request waits."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Request(Generic[Item, Result]):
    """Items of one caller, and as many results as there are by now.

    Args:
        line: where it waits.
    """

    def __init__(
        self,
        items: Sequence[Item],
        line: "_Line[Item, Result]",
        done: asyncio.Future[list[Result]],
    ) -> None:
        self.items = items
        self.line = line
        self.done = done
        self.taken = 0
        self.results: list[Result] = []

    @property
    def left(self) -> int:
        """Items that no batch has taken yet."""
        return len(self.items) - self.taken

    def fill(self, results: Sequence[Result]) -> None:
        """The next results; with the last of them the caller goes on."""
        self.results += results
        if not self.done.done() and len(self.results) == len(self.items):
            self.done.set_result(self.results)

    def fail(self, error: Exception) -> None:
        """The caller gets the error, and no results any more."""
        if not self.done.done():
            self.done.set_exception(error)


@dataclass
class _Line(Generic[Item, Result]):
    """Requests that wait for the same lanes.

    Attributes:
        lanes: batches that run at once.
        shared: whether a batch may have items of several requests.
        running: batches that run now.
    """

    lanes: int
    shared: bool
    waiting: deque[_Request[Item, Result]] = field(default_factory=deque)
    running: int = 0


@dataclass(frozen=True)
class _Slice(Generic[Item, Result]):
    """Items of one request that stand in one batch."""

    request: _Request[Item, Result]
    items: Sequence[Item]


class BatchQueue(Generic[Item, Result]):
    """Runs items in batches, each on a thread.

    A request that finds a lane free is run at once. Short requests and long ones stand in two lines
    with lanes of their own, so that a request with a single item waits for none with a thousand.
    What arrives while the lanes of the short ones are busy shares the next batch. Long ones have
    batches to themselves, one at a time each, and take turns where there are more of them than
    lanes; it is for `run` to make the most of what several batches have in common. Belongs to one
    event loop.

    Args:
        run: from the items of a batch to as many results. Called on other threads, for up to
            `short_lanes` + `long_lanes` batches at once.
        cost: of an item, in tokens.
        short_lanes: batches of short requests that run at once, at least 1.
        long_lanes: batches of long requests that run at once, at least 1.
        batch_cost: sum of the costs of a batch; an item that costs more runs alone.
        short: a request that costs more is a long one.
        on_batch: receives the number of items of every batch.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Sequence[Result]],
        *,
        cost: Callable[[Item], int],
        short_lanes: int,
        long_lanes: int,
        batch_cost: int,
        short: int,
        on_batch: Callable[[int], object],
    ) -> None:
        self._run = run
        self._cost = cost
        self._batch_cost = batch_cost
        self._short = short
        self._on_batch = on_batch
        self._threads = ThreadPoolExecutor(
            short_lanes + long_lanes, thread_name_prefix="ondol-batch"
        )
        self._requests: set[_Request[Item, Result]] = set()
        self._short_line: _Line[Item, Result] = _Line(short_lanes, shared=True)
        self._long_line: _Line[Item, Result] = _Line(long_lanes, shared=False)
        self._batches: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Items that no batch has taken yet."""
        return sum(request.left for request in self._requests)

    async def submit(self, items: Sequence[Item]) -> list[Result]:
        """The results of `items`, in their order.

        Raises what `run` raised for them. Cancelling it drops the items that do not run yet.
        """
        if not items:
            return []
        done: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        cost = sum(map(self._cost, items))
        line = self._short_line if cost <= self._short else self._long_line
        request: _Request[Item, Result] = _Request(items, line, done)
        self._requests.add(request)
        line.waiting.append(request)
        self._start_batches(line)
        try:
            return await done
        finally:
            self._drop(request)
            self._requests.remove(request)

    def close(self) -> None:
        """End the threads when their batches have ended. Nothing may be submitted any more."""
        self._threads.shutdown()

    def _start_batches(self, line: _Line[Item, Result]) -> None:
        while line.waiting and line.running < line.lanes:
            line.running += 1
            batch = asyncio.create_task(self._run_batch(line, self._take(line)))
            self._batches.add(batch)  # the loop itself holds tasks only weakly
            batch.add_done_callback(self._batches.discard)

    def _take(self, line: _Line[Item, Result]) -> list[_Slice[Item, Result]]:
        """The next batch: at least one item, as something waits."""
        slices: list[_Slice[Item, Result]] = []
        room = self._batch_cost
        while line.waiting and (line.shared or not slices):
            request = line.waiting[0]
            start = request.taken
            while request.left:
                cost = self._cost(request.items[request.taken])
                if cost > room and (slices or request.taken > start):
                    break
                request.taken += 1
                room -= cost
            if request.taken == start:
                break  # The batch is full.
            slices.append(_Slice(request, request.items[start : request.taken]))
            line.waiting.popleft()
        return slices

    async def _run_batch(
        self, line: _Line[Item, Result], slices: list[_Slice[Item, Result]]
    ) -> None:
        try:
            items = [item for part in slices for item in part.items]
            self._on_batch(len(items))
            try:
                results = await self._on_thread(items)
            except Exception as error:
                if len(slices) == 1:
                    self._fail(slices[0].request, error)
                else:
                    await self._run_apart(slices)
                return
            start = 0
            for part in slices:
                part.request.fill(results[start : start + len(part.items)])
                start += len(part.items)
        finally:
            line.running -= 1
            line.waiting += [part.request for part in slices if part.request.left]
            self._start_batches(line)

    async def _run_apart(self, slices: list[_Slice[Item, Result]]) -> None:
        """After an error: only the request whose items raise it shall fail."""
        for part in slices:
            if part.request.done.done():
                continue
            try:
                part.request.fill(await self._on_thread(list(part.items)))
            except Exception as error:
                self._fail(part.request, error)

    def _fail(self, request: _Request[Item, Result], error: Exception) -> None:
        request.fail(error)
        self._drop(request)

    def _drop(self, request: _Request[Item, Result]) -> None:
        """Items that no batch has taken yet never will be."""
        request.taken = len(request.items)
        if request in request.line.waiting:
            request.line.waiting.remove(request)

    async def _on_thread(self, items: list[Item]) -> Sequence[Result]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, items)
