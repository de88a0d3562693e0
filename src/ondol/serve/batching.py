"""Whose items an engine gets next, when more than one request waits."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Request(Generic[Item, Result]):
    """Items of one caller, and as many results as there are by now."""

    def __init__(self, items: Sequence[Item], done: asyncio.Future[list[Result]]) -> None:
        self.items = items
        self.done = done
        self.taken = 0
        self.results: dict[int, list[Result]] = {}

    @property
    def left(self) -> int:
        """Items that no batch has taken yet."""
        return len(self.items) - self.taken

    def fill(self, start: int, results: Sequence[Result]) -> None:
        """Results of the items from `start` on; with the last of them the caller goes on."""
        self.results[start] = list(results)
        if not self.done.done() and sum(map(len, self.results.values())) == len(self.items):
            self.done.set_result([r for _, part in sorted(self.results.items()) for r in part])

    def fail(self, error: Exception) -> None:
        """The caller gets the error, and no results any more."""
        if not self.done.done():
            self.done.set_exception(error)


@dataclass(frozen=True)
class _Slice(Generic[Item, Result]):
    """Items of one request that stand in one batch."""

    request: _Request[Item, Result]
    start: int
    items: Sequence[Item]


class BatchQueue(Generic[Item, Result]):
    """Runs items in batches, on as many threads as there are lanes.

    A request that finds a lane free is run at once; what arrives while all are busy shares the
    next batches. A batch has a share of every request that waits, in turns (as in deficit round
    robin, Shreedhar and Varghese 1995), and a request is in one batch at a time: one with a single
    item waits neither for the end of one with a thousand, nor for its batch while another lane is
    free. Belongs to one event loop.

    Args:
        run: from the items of a batch to as many results. Called on other threads, for up to
            `lanes` batches at once.
        cost: of an item, in tokens.
        lanes: batches that run at once, at least 1.
        batch_cost: sum of the costs of a batch; an item that costs more runs alone.
        share: of one request in a batch, if others wait too.
        on_batch: receives the number of items of every batch.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Sequence[Result]],
        *,
        cost: Callable[[Item], int],
        lanes: int,
        batch_cost: int,
        share: int,
        on_batch: Callable[[int], object],
    ) -> None:
        self._run = run
        self._cost = cost
        self._batch_cost = batch_cost
        self._share = share
        self._on_batch = on_batch
        self._free = lanes
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="ondol-batch")
        self._requests: set[_Request[Item, Result]] = set()
        self._waiting: deque[_Request[Item, Result]] = deque()
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
        request: _Request[Item, Result] = _Request(items, done)
        self._requests.add(request)
        self._waiting.append(request)
        self._start_batches()
        try:
            return await done
        finally:
            self._drop(request)
            self._requests.remove(request)

    def close(self) -> None:
        """End the threads when their batches have ended. Nothing may be submitted any more."""
        self._threads.shutdown()

    def _start_batches(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            batch = asyncio.create_task(self._run_batch(self._take()))
            self._batches.add(batch)  # the loop itself holds tasks only weakly
            batch.add_done_callback(self._batches.discard)

    def _take(self) -> list[_Slice[Item, Result]]:
        """The next batch: at least one item, as something waits."""
        slices: list[_Slice[Item, Result]] = []
        room = self._batch_cost
        share = self._share if len(self._waiting) > 1 else self._batch_cost
        while self._waiting:
            request = self._waiting[0]
            start, spent = request.taken, 0
            while request.left:
                cost = self._cost(request.items[request.taken])
                if (slices or spent) and spent + cost > min(share, room):
                    break
                request.taken += 1
                spent += cost
            if request.taken == start:
                break  # The batch is full.
            room -= spent
            slices.append(_Slice(request, start, request.items[start : request.taken]))
            self._waiting.popleft()
        return slices

    async def _run_batch(self, slices: list[_Slice[Item, Result]]) -> None:
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
                part.request.fill(part.start, results[start : start + len(part.items)])
                start += len(part.items)
        finally:
            self._free += 1
            self._waiting.extend(part.request for part in slices if part.request.left)
            self._start_batches()

    async def _run_apart(self, slices: list[_Slice[Item, Result]]) -> None:
        """After an error: only the request whose items raise it shall fail."""
        for part in slices:
            if part.request.done.done():
                continue
            try:
                part.request.fill(part.start, await self._on_thread(list(part.items)))
            except Exception as error:
                self._fail(part.request, error)

    def _fail(self, request: _Request[Item, Result], error: Exception) -> None:
        request.fail(error)
        self._drop(request)

    def _drop(self, request: _Request[Item, Result]) -> None:
        """Items that no batch has taken yet never will be."""
        request.taken = len(request.items)
        if request in self._waiting:
            self._waiting.remove(request)

    async def _on_thread(self, items: list[Item]) -> Sequence[Result]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, items)
