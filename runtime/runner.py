"""Runs planned groups of texts on an engine, on as many cores as it can use at once."""

import threading
from collections.abc import Callable, Sequence

from ondol.runtime.backend import Backend
from ondol.runtime.run_queue import Call, Group, Part, RunQueue, Sink
from ondol.runtime.schedule import plan
from ondol.runtime.shield import run_shielded


class Runner:
    """An engine with the threads that call it; belongs to one process.

    Whoever calls computes, on a core if one is free, and for others too: `RunQueue` says what is
    next. (For the main thread `run_shielded`'s does, so that no Ctrl-C can keep a core.) Helpers,
    one fewer than the engine can use at once, join in where there is more than one group; they are
    shared by all callers and end with the work.

    A thread that computes goes on until nothing of its own call waits. Another caller's thread
    then gets the core, so that an answer is not held up by the work of others.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._lock = threading.Lock()
        # Guarded by it, as are all calls:
        self._queue = RunQueue(
            max_batch_tokens=backend.max_batch_tokens, parallel_runs=backend.parallel_runs
        )
        self._free = backend.parallel_runs
        self._helping = 0
        self._waiting_threads: dict[Call, threading.Condition] = {}

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
        if not groups:
            return
        call = Call(ids, sink, max_texts)
        run_shielded(lambda: self._run_call(call, groups), stop=lambda: self._stop(call))
        if call.error is not None:
            raise call.error

    def close(self) -> None:
        """Let the runs that have begun end, and free the engine; what waits gets ClosedError."""
        self.backend.close()

    def _run_call(self, call: Call, groups: Sequence[Group]) -> None:
        if len(groups) < self.backend.parallel_runs:
            while groups and not call.dropped and self._run_alone(call, groups[0]):
                groups = groups[1:]
        if not groups:
            return
        ended = threading.Condition(self._lock)
        try:
            with self._lock:
                self._queue.add(call, groups)
                for _ in range(min(len(groups), self._free) - 1):
                    self._call_helper()
            while self._compute(
                lambda: self._wait_for_core(call, ended), lambda: bool(call.waiting)
            ):
                pass
        except BaseException:  # which the engine or `sink` raised
            self._stop(call)
            with self._lock:
                while call.running:
                    self._wait(call, ended)
            raise

    def _stop(self, call: Call) -> None:
        """Let the runs of a call that have begun be its last ones."""
        with self._lock:
            self._queue.drop(call)
            self._wake(call)
            # One may have been meant for the thread of this call.
            self._use_free_cores()

    def _run_alone(self, call: Call, group: Group) -> bool:
        """Run a group on all cores. Returns False, and does nothing, if one of them is in use."""
        cores = self.backend.parallel_runs
        with self._lock:
            if self._free < cores or self._queue:
                return False
            self._free = 0
        try:
            texts = [call.ids[index] for index in group]
            call.sink(group, self.backend.outputs(texts, alone=True))
        finally:
            with self._lock:
                self._free = cores
                self._use_free_cores()
        return True

    def _wait_for_core(self, call: Call, ended: threading.Condition) -> bool:
        """Whether this call needs a core; returns when there is one. The lock is held."""
        while not call.ended:
            if call.waiting and self._free:
                return True
            self._use_free_cores()  # which this call does not need
            self._wait(call, ended)
        return False

    def _wait(self, call: Call, ended: threading.Condition) -> None:
        """Until it is worth looking again. The lock is held before and after."""
        self._waiting_threads[call] = ended
        try:
            ended.wait()
        finally:
            self._waiting_threads.pop(call, None)

    def _use_free_cores(self) -> None:
        """Wake as many threads as there are free cores and work. The lock is held."""
        free = self._free
        for call in self._queue.calls():
            if not free:
                return
            if call in self._waiting_threads:
                self._wake(call)
                free -= 1
        if free and self._queue:
            self._call_helper()

    def _wake(self, call: Call) -> None:
        condition = self._waiting_threads.pop(call, None)
        if condition is not None:
            condition.notify()

    def _call_helper(self) -> None:
        """Have one more helper, if there are any left. The lock is held."""
        if self._helping >= self.backend.parallel_runs - 1:
            return
        try:
            threading.Thread(target=self._help, name="ondol-run").start()
        except RuntimeError:
            return  # No thread is to be had; whoever calls computes anyway.
        self._helping += 1

    def _help(self) -> None:
        try:
            # If no core is free, who has them goes on with what waits.
            self._compute(lambda: self._free > 0, lambda: True)
        finally:
            with self._lock:
                self._helping -= 1

    def _compute(self, core_is_free: Callable[[], bool], more: Callable[[], bool]) -> bool:
        """Use a core as long as anything waits and `more` says so; then give it back.

        Both are called with the lock held. Returns what `core_is_free` did.
        """
        with self._lock:
            if not core_is_free():
                return False
            self._free -= 1
        try:
            while True:
                with self._lock:
                    parts = self._queue.take() if more() else []
                if not parts:
                    return True
                self._execute(parts)
        finally:
            with self._lock:
                self._free += 1
                self._use_free_cores()

    def _execute(self, parts: Sequence[Part]) -> None:
        """Run these together and hand out what they give.

        An error ends the call that it belongs to; Ctrl-C, which belongs to this thread alone, puts
        the others back.
        """
        left = list(parts)
        try:
            try:
                outputs = self.backend.outputs([ids for part in parts for ids in part.ids])
            except Exception as error:
                if len(parts) == 1:
                    self._end(left.pop(), error)
                while left:  # Only the call whose texts raise it shall fail.
                    self._execute([left.pop()])
                return
            start = 0
            while left:
                part = left[0]
                failed = None
                try:
                    part.call.sink(part.group, outputs[start : start + len(part.group)])
                except Exception as error:
                    failed = error
                start += len(part.group)
                del left[0]
                self._end(part, failed)
        finally:
            if left:
                with self._lock:
                    for part in left:
                        self._queue.put_back(part)
                        self._wake(part.call)

    def _end(self, part: Part, error: Exception | None) -> None:
        call = part.call
        with self._lock:
            call.running -= 1
            if error is not None and call.error is None:
                call.error = error
                self._queue.drop(call)
            if call.ended:
                self._wake(call)
