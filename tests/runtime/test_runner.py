"""Groups of texts on several cores: every text once, errors, Ctrl-C, close, many callers."""

import gc
import os
import random
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from interrupts import interrupted_at
from threads import refuse_threads

from ondol.errors import ClosedError
from ondol.runtime.backend import TokenStates
from ondol.runtime.run_queue import Sink
from ondol.runtime.runner import Runner

IDS = [[index] * (2 + index % 5) for index in range(40)]


class CountingBackend:
    """Returns each text's ids as its states, and watches who calls it."""

    vocab_rows = 100
    columns = 1
    equal_lengths = True

    def __init__(self, *, parallel_runs: int = 2, max_batch_tokens: int = 8) -> None:
        self.parallel_runs = parallel_runs
        self.max_batch_tokens = max_batch_tokens
        self.threads: set[int] = set()
        self.calls: list[bool] = []
        self.running = self.most_running = 0
        self.closed = False
        self.broken_id: int | None = None
        self._lock = threading.Lock()

    def outputs(
        self, sequences: Sequence[Sequence[int]], *, alone: bool = False
    ) -> list[TokenStates]:
        with self._lock:
            if self.closed:
                raise ClosedError("closed")
            self.threads.add(threading.get_ident())
            self.calls.append(alone)
            self.running += self.parallel_runs if alone else 1
            self.most_running = max(self.most_running, self.running)
        try:
            time.sleep(0.001)
            if any(self.broken_id in ids for ids in sequences):
                raise RuntimeError("broken")
            return [np.array(ids, np.float32)[:, None] for ids in sequences]
        finally:
            with self._lock:
                self.running -= self.parallel_runs if alone else 1

    def close(self) -> None:
        self.closed = True


class Collected:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.found: list[tuple[int, float, int]] = []

    def __call__(self, group: tuple[int, ...], states: list[TokenStates]) -> None:
        for index, text in zip(group, states, strict=True):
            self.found.append((index, float(text[0, 0]), len(text)))


EXPECTED = [(index, float(index), len(ids)) for index, ids in enumerate(IDS)]


@pytest.mark.parametrize("parallel_runs", [1, 2, 5])
def test_every_text_once_with_its_own_states(parallel_runs: int) -> None:
    backend, sink = CountingBackend(parallel_runs=parallel_runs), Collected()
    runner = Runner(backend)
    runner.run(IDS, sink, max_texts=3)
    assert sorted(sink.found) == EXPECTED
    assert len(backend.threads) <= parallel_runs
    assert backend.most_running <= parallel_runs
    assert backend.calls.count(True) == 0
    runner.run([], sink, max_texts=3)
    runner.close()


def test_a_lone_text_gets_all_cores() -> None:
    backend, sink = CountingBackend(), Collected()
    Runner(backend).run([[7, 7]], sink, max_texts=3)
    assert sink.found == [(0, 7.0, 2)]
    assert backend.calls == [True]


def test_without_a_thread_to_be_had_the_caller_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, sink = CountingBackend(), Collected()
    runner = Runner(backend)
    refuse_threads(monkeypatch)
    runner.run(IDS, sink, max_texts=3)
    assert sorted(sink.found) == EXPECTED
    assert backend.threads == {threading.get_ident()}
    runner.close()
    with pytest.raises(ClosedError):
        runner.run(IDS, sink, max_texts=3)


@pytest.mark.parametrize("broken_id", range(0, 40, 7))
def test_an_error_stops_all_and_reaches_the_caller(broken_id: int) -> None:
    backend = CountingBackend()
    backend.broken_id = broken_id
    runner = Runner(backend)
    with pytest.raises(RuntimeError, match="broken"):
        runner.run(IDS, Collected(), max_texts=1)
    assert backend.running == 0
    calls = len(backend.calls)
    time.sleep(0.02)
    assert len(backend.calls) == calls
    backend.broken_id = None

    sink = Collected()
    runner.run(IDS, sink, max_texts=1)
    assert sorted(sink.found) == EXPECTED


def test_an_error_of_the_sink_reaches_the_caller() -> None:
    def sink(group: tuple[int, ...], states: list[TokenStates]) -> None:
        raise ValueError(group)

    backend = CountingBackend()
    with pytest.raises(ValueError, match=r"\("):
        Runner(backend).run(IDS, sink, max_texts=1)
    assert backend.running == 0
    assert len(backend.calls) <= backend.parallel_runs


def test_many_callers_share_the_cores() -> None:
    backend = CountingBackend()
    runner = Runner(backend)
    before = threading.active_count()
    sinks = [Collected() for _ in range(8)]

    def call(sink: Collected) -> None:
        runner.run(IDS, sink, max_texts=2)

    callers = [threading.Thread(target=call, args=(sink,)) for sink in sinks]
    for caller in callers:
        caller.start()
    assert threading.active_count() <= before + len(callers) + backend.parallel_runs - 1
    for caller in callers:
        caller.join(timeout=60)
    assert all(sorted(sink.found) == EXPECTED for sink in sinks)
    assert backend.most_running == backend.parallel_runs


def test_a_lone_text_passes_between_the_runs_of_a_long_call() -> None:
    backend = CountingBackend()
    runner = Runner(backend)
    many = IDS * 20
    long = threading.Thread(target=runner.run, args=(many, Collected()), kwargs={"max_texts": 1})
    long.start()
    while not backend.calls:
        time.sleep(0.001)
    sink = Collected()
    runner.run([[1, 1]], sink, max_texts=1)
    assert len(backend.calls) < len(many)
    assert sink.found == [(0, 1.0, 2)]
    long.join(timeout=60)


def test_closing_ends_a_running_call() -> None:
    backend = CountingBackend()
    runner = Runner(backend)
    errors: list[BaseException] = []

    def call() -> None:
        try:
            runner.run(IDS * 100, Collected(), max_texts=1)
        except BaseException as error:
            errors.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    while not backend.calls:
        time.sleep(0.001)
    runner.close()
    caller.join(timeout=60)
    assert [type(error) for error in errors] == [ClosedError]
    with pytest.raises(ClosedError):
        runner.run(IDS, Collected(), max_texts=1)


class GatedBackend(CountingBackend):
    """One run at a time. The first does not end while `open` is not set."""

    def __init__(self) -> None:
        super().__init__(parallel_runs=1, max_batch_tokens=1000)
        self.open = threading.Event()
        self.runs: list[int] = []
        self.interrupted: str | None = None

    def outputs(
        self, sequences: Sequence[Sequence[int]], *, alone: bool = False
    ) -> list[TokenStates]:
        self.runs.append(len(sequences))
        assert self.open.wait(60)
        if threading.current_thread().name == self.interrupted:
            raise KeyboardInterrupt
        return super().outputs(sequences, alone=alone)


class Calls:
    """Calls of a runner on threads of their own, which wait while its engine is busy."""

    def __init__(self, runner: Runner, backend: GatedBackend) -> None:
        self.runner, self.backend = runner, backend
        self.sinks: list[Collected] = []
        self.errors: dict[int, BaseException] = {}
        self._threads: list[threading.Thread] = []
        self.start([[0]])
        while not backend.runs:
            time.sleep(0.001)

    def start(self, ids: Sequence[Sequence[int]], sink: Sink | None = None) -> None:
        number = len(self.sinks)
        self.sinks.append(Collected())

        def call() -> None:
            try:
                self.runner.run(ids, sink or self.sinks[number], max_texts=32)
            except BaseException as error:
                self.errors[number] = error

        self._threads.append(threading.Thread(target=call, name=f"caller {number}"))
        self._threads[-1].start()
        while number and len(self.runner._waiting_threads) < number:
            time.sleep(0.001)

    def end(self) -> None:
        self.backend.open.set()
        for thread in self._threads:
            thread.join(timeout=60)
            assert not thread.is_alive()


def test_calls_that_wait_share_runs() -> None:
    backend = GatedBackend()
    calls = Calls(Runner(backend), backend)
    for number in range(1, 5):
        calls.start([[number] * 3, [number] * 3, [number] * 7])
    calls.end()
    assert calls.errors == {}
    assert sorted(backend.runs) == [1, 4, 8]
    for number, sink in enumerate(calls.sinks[1:], 1):
        assert sorted(sink.found) == [(0, number, 3), (1, number, 3), (2, number, 7)]


def test_an_error_reaches_the_call_whose_texts_raise_it_alone() -> None:
    backend = GatedBackend()
    backend.broken_id = 2
    calls = Calls(Runner(backend), backend)
    for number in range(1, 5):
        calls.start([[number] * 3, [number] * 3, [number] * 7])
    calls.end()
    assert [str(error) for error in calls.errors.values()] == ["broken"]
    assert [*calls.errors] == [2]
    assert [len(sink.found) for sink in calls.sinks] == [1, 3, 0, 3, 3]
    assert backend.running == 0


def test_an_error_of_one_sink_fails_one_call() -> None:
    backend = GatedBackend()
    calls = Calls(Runner(backend), backend)

    def refuse(group: tuple[int, ...], states: list[TokenStates]) -> None:
        raise ValueError("refused")

    calls.start([[1] * 3])
    calls.start([[2] * 3], refuse)
    calls.start([[3] * 3])
    calls.end()
    assert backend.runs == [1, 3]
    assert [(number, str(error)) for number, error in calls.errors.items()] == [(2, "refused")]
    assert calls.sinks[1].found == [(0, 1, 3)]
    assert calls.sinks[3].found == [(0, 3, 3)]


def test_ctrl_c_in_a_run_for_others_too_loses_nothing_of_theirs() -> None:
    backend = GatedBackend()
    runner = Runner(backend)
    calls = Calls(runner, backend)
    backend.interrupted = "caller 1"
    for number in range(1, 4):
        calls.start([[number] * 3])
    calls.end()
    assert [*calls.errors] == [1]
    assert isinstance(calls.errors[1], KeyboardInterrupt)
    assert backend.runs == [1, 3, 2]
    assert [sink.found for sink in calls.sinks[1:]] == [[], [(0, 2, 3)], [(0, 3, 3)]]
    sink = Collected()
    runner.run(IDS, sink, max_texts=4)
    assert sorted(sink.found) == EXPECTED


@pytest.mark.parametrize("parallel_runs", [1, 2, 4])
def test_many_calls_at_once_get_all_their_texts_or_their_own_error(parallel_runs: int) -> None:
    backend = CountingBackend(parallel_runs=parallel_runs, max_batch_tokens=40)
    backend.broken_id = 99
    runner = Runner(backend)

    def call(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(12):
            ids = [[rng.randrange(50)] * rng.randrange(1, 6) for _ in range(rng.randrange(1, 15))]
            broken = rng.random() < 0.2
            if broken:
                rng.choice(ids)[0] = 99
            sink = Collected()
            try:
                runner.run(ids, sink, max_texts=rng.randrange(1, 9))
            except RuntimeError:
                assert broken
            else:
                assert not broken
                expected = [(index, float(one[0]), len(one)) for index, one in enumerate(ids)]
                assert sorted(sink.found) == expected

    with ThreadPoolExecutor(12) as pool:
        for _ in pool.map(call, range(12)):
            pass
    assert backend.most_running <= parallel_runs
    assert backend.running == 0
    assert runner._free == parallel_runs
    assert not runner._queue


def interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_leaves_nothing_running() -> None:
    # An interrupt that meets the end of a thread of an earlier test would be lost there (Python
    # drops what a weak reference's callback raises); so would one in a collection, of which
    # Hypothesis has itself told.
    gc.collect()
    gc.disable()
    time.sleep(0.1)
    backend = CountingBackend()
    runner = Runner(backend)

    def run_interrupted(after: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, after)
        runner.run(IDS * 1000, Collected(), max_texts=1)

    # As Ctrl-C does it, but without a thread or process of the test's own.
    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        for after in (0.001, 0.02, 0.05, 0.06, 0.07, 0.1):
            with pytest.raises(KeyboardInterrupt):
                # The clock starts inside: the shortest may be over before another line begins.
                run_interrupted(after)
            calls = len(backend.calls)
            time.sleep(0.02)
            # A helper that was just being started may end its first run.
            assert len(backend.calls) - calls <= 1
    finally:
        signal.signal(signal.SIGALRM, previous)
        gc.enable()

    sink = Collected()
    runner.run(IDS, sink, max_texts=1)
    assert sorted(sink.found) == EXPECTED


@pytest.mark.parametrize("texts", [1, 12])
def test_wherever_an_interrupt_comes_the_next_call_has_all_cores(texts: int) -> None:
    backend = CountingBackend()
    runner = Runner(backend)
    place, more = 0, True
    while more:
        place += 1
        more = interrupted_at(place, lambda: runner.run(IDS[:texts], Collected(), max_texts=1))
        assert backend.running == 0
        runner.run(IDS[:1], Collected(), max_texts=1)
        assert backend.calls[-1] is True
    assert place > 20
    assert runner._helping == 0
