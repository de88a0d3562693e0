"""Runs planned groups of texts on an engine, on as many cores as it can use at once."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from ondol.errors import ClosedError
from ondol.runtime.backend import Backend, Output
from ondol.runtime.schedule import plan
from ondol.runtime.turns import Turns

#: Receives the indices of a group and the outputs of its texts. Called from several threads, but
#: only once for each group.
Sink = Callable[[tuple[int, ...], list[Output]], None]


class Runner:
    """An engine with the threads that call it; belongs to one process.

    Whoever calls computes; helpers, one fewer than the engine can use at once, join in where there
    is more than one group. They are shared by all callers, so any number of calls needs no more
    threads than that, and `Turns` keeps the runs of all of them to the cores there are.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._closed = False
        self._cores = Turns(backend.parallel_runs)
        # Threads start with the first groups that need them; an engine for one run at a time never
        # starts the one that the executor must be allowed.
        self._helpers = ThreadPoolExecutor(
            max(1, backend.parallel_runs - 1), thread_name_prefix="ondol-run"
        )

    def run(self, ids: Sequence[Sequence[int]], sink: Sink, *, max_texts: int) -> None:
        """Hand the output of every text to `sink`.

        Args:
            ids: token ids of each text.
            max_texts: texts in one run of the engine, at least 1.

        Returns, or raises what the engine, `sink` or Ctrl-C raised first, when no thread works on
        these texts any more. Raises ClosedError after close(), also when it comes meanwhile.
        """
        backend = self.backend
        groups = plan(
            [len(sequence) for sequence in ids],
            max_batch_tokens=backend.max_batch_tokens,
            max_texts=max_texts,
            equal_lengths=backend.equal_lengths,
            parallel_runs=backend.parallel_runs,
        )
        if len(groups) < backend.parallel_runs:
            for group in groups:
                with self._cores.all_or_one() as alone:
                    outputs = backend.outputs([ids[index] for index in group], alone=alone)
                sink(group, outputs)
            return

        left = deque(groups)
        stopped = threading.Event()

        def work() -> None:
            try:
                while not stopped.is_set():
                    try:
                        group = left.popleft()
                    except IndexError:
                        return
                    with self._cores.one():
                        outputs = backend.outputs([ids[index] for index in group])
                    sink(group, outputs)
            except BaseException:
                stopped.set()
                raise

        helpers: list[Future[None]] = []
        try:
            for _ in range(backend.parallel_runs - 1):
                helpers += self._start(work)
            work()
        finally:
            # Also if Ctrl-C came while helpers were being started.
            stopped.set()
            # A helper that another call keeps busy has not begun here; it need not.
            wait([helper for helper in helpers if not helper.cancel()])
        for helper in helpers:
            if not helper.cancelled():
                helper.result()

    def _start(self, work: Callable[[], None]) -> list[Future[None]]:
        """A helper at work; none where no thread is to be had, as whoever calls computes anyway.

        Raises ClosedError after close().
        """
        try:
            return [self._helpers.submit(work)]
        except RuntimeError as error:  # of the executor when it is shut down, and of a new thread
            if self._closed:
                raise ClosedError("the model was closed; open it again") from error
            return []

    def close(self) -> None:
        """Let the runs that have begun end, free the engine and end the helpers."""
        self._closed = True
        self._helpers.shutdown(wait=False)
        self.backend.close()
