"""Whose items an engine gets next, when more than one request waits."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ondol.errors import InputError

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


@dataclass
class _Line(Generic[Item, Result]):
    """Requests that wait for the same lanes, and how many lanes run batches of them."""

    waiting: deque[_Request[Item, Result]] = field(default_factory=deque)
    running: int = 0


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
    robin, Shreedhar and Varghese 1995).

    Short requests and long ones stand in two lines and never share a batch. Long ones may have all
    lanes but one, so that a request with a single item waits for none with a thousand; and neither
    may short ones while a long one waits. A long request may be in several batches at once: the
    next one is prepared while the engine is busy. Belongs to one event loop.

    Args:
        run: from the items of a batch to as many results. Called on other threads, for up to
            `lanes` batches at once.
        cost: of an item, in tokens.
        lanes: batches that run at once, at least 2.
        batch_cost: sum of the costs of a batch; an item that costs more runs alone.
        share: of one request in a batch, if others wait too.
        short: a request that costs more is a long one.
        on_batch: receives the number of items of every batch.

    Raises InputError for fewer than two lanes.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Sequence[Result]],
        *,
        cost: Callable[[Item], int],
        lanes: int,
        batch_cost: int,
        share: int,
        short: int,
        on_batch: Callable[[int], object],
    ) -> None:
        if lanes < 2:
            raise InputError(
                f"lanes is {lanes}; expected 2 or more, one of them for short requests"
            )
        self._run = run
        self._cost = cost
        self._batch_cost = batch_cost
        self._share = share
        self._short = short
        self._on_batch = on_batch
        self._lanes = lanes
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="ondol-batch")
        self._requests: set[_Request[Item, Result]] = set()
        self._short_line: _Line[Item, Result] = _Line()
        self._long_line: _Line[Item, Result] = _Line()
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
        while (line := self._next_line()) is not None:
            line.running += 1
            batch = asyncio.create_task(self._run_batch(line, self._take(line.waiting)))
            self._batches.add(batch)  # the loop itself holds tasks only weakly
            batch.add_done_callback(self._batches.discard)

    def _next_line(self) -> _Line[Item, Result] | None:
        """Who gets a lane now; None if nobody does."""
        short, long = self._short_line, self._long_line
        if short.running + long.running == self._lanes:
            return None
        if short.waiting and (not long.waiting or short.running < self._lanes - 1):
            return short
        return long if long.waiting and long.running < self._lanes - 1 else None

    def _take(self, waiting: deque[_Request[Item, Result]]) -> list[_Slice[Item, Result]]:
        """The next batch: at least one item, as something waits.

        Who has items left waits behind the others again.
        """
        slices: list[_Slice[Item, Result]] = []
        room = self._batch_cost
        share = self._share if len(waiting) > 1 else self._batch_cost
        while waiting:
            request = waiting[0]
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
            waiting.popleft()
            if request.left:
                waiting.append(request)
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
                part.request.fill(part.start, results[start : start + len(part.items)])
                start += len(part.items)
        finally:
            line.running -= 1
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
        if request in request.line.waiting:
            request.line.waiting.remove(request)

    async def _on_thread(self, items: list[Item]) -> Sequence[Result]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, items)
