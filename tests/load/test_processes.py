"""Forks at any moment, and spawned children: the same vectors, or a clear error."""

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from ondol.errors import ClosedError
from ondol.runtime.embedder import Embedder

VARIANTS = ["onnx-int8", "gguf-q5_0"]

TEXTS = [
    "국내 여행지 추천",
    "Hello",
    "",
    "온돌은 아궁이의 열기를 구들장 밑으로 보내 바닥을 데운다. " * 3,
]

#: Seconds after which a child has locked up.
LOCKED_UP = 120

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_a_fork(work: Callable[[], bool]) -> None:
    """Fork, and let the child assert `work()`. Fails if it locks up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads and fork
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(LOCKED_UP)
            status = 0 if work() else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def encoded(variant: str) -> bytes:
    with Embedder(variant=variant, threads=2, check="off") as model:
        return model.encode(TEXTS).tobytes()


@contextmanager
def busy(model: Embedder, threads: int) -> Iterator[None]:
    """So many threads call the model without a pause inside the block."""
    stop = threading.Event()
    began = threading.Barrier(threads + 1)

    def work() -> None:
        model.encode(TEXTS)
        began.wait(LOCKED_UP)
        while not stop.is_set():
            model.encode(TEXTS)

    callers = [threading.Thread(target=work) for _ in range(threads)]
    for caller in callers:
        caller.start()
    try:
        began.wait(LOCKED_UP)
        yield
    finally:
        stop.set()
        for caller in callers:
            caller.join()


@needs_fork
@pytest.mark.parametrize("variant", VARIANTS)
def test_forks_while_other_threads_call(variant: str) -> None:
    """Of a model that is in use, and of one that the child loads itself."""
    expected = encoded(variant)
    with Embedder(variant=variant, threads=2, check="off") as model, busy(model, 3):
        for _ in range(4):
            in_a_fork(lambda: model.encode(TEXTS).tobytes() == expected)
        in_a_fork(lambda: encoded(variant) == expected)
    assert encoded(variant) == expected


@needs_fork
def test_a_fork_during_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """close() waits for the running calls; a child of that moment must not wait with it."""
    model = Embedder(variant="gguf-q5_0", threads=1, check="off")
    running, go_on = threading.Event(), threading.Event()
    context_type: Any = type(model._runner.backend._idle[0])
    encode = context_type.encode

    def slow(*arguments: Any) -> Any:
        running.set()
        go_on.wait(LOCKED_UP)
        return encode(*arguments)

    monkeypatch.setattr(context_type, "encode", slow)
    caller = threading.Thread(target=model.encode, args=("a",))
    caller.start()
    running.wait(LOCKED_UP)
    closer = threading.Thread(target=model.close)
    closer.start()
    while not model._closed:
        time.sleep(0.001)

    def is_closed() -> bool:
        with pytest.raises(ClosedError):
            model.encode("a")
        model.close()
        return True

    try:
        in_a_fork(is_closed)
    finally:
        go_on.set()
        caller.join()
        closer.join()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_of_processes_of_every_kind(method: Any) -> None:
    """The model goes to each of them, by fork or by pickling, and gives the same bits."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"{method} does not exist here")
    with Embedder(variant="onnx-int8", threads=1, check="off") as model, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        expected = model.encode(TEXTS).tobytes()
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            calls = [pool.submit(model.encode, TEXTS) for _ in range(4)]
            assert [call.result(LOCKED_UP).tobytes() for call in calls] == [expected] * 4
