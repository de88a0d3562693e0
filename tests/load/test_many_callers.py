"""Many threads, several models, asyncio and close() at any time: right vectors or a clear error."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from threads import refuse_threads

from ondol.errors import ClosedError
from ondol.runtime.backend import WORTH_ALL_THREADS
from ondol.runtime.embedder import Embedder

#: Of the bundle in the package: one of each engine.
VARIANTS = ["onnx-int8", "gguf-q5_0"]

#: Short ones, which run on one thread, and one that gets all threads when it is alone.
TEXTS = [
    "국내 여행지 추천",
    "Hello",
    "",
    "온돌은 아궁이의 열기를 구들장 밑으로 보내 바닥을 데운다. " * 3,
]

THREADS = 64

#: Seconds after which something has locked up. Nothing is timed.
LOCKED_UP = 300

Vectors = Sequence[NDArray[np.float32]]


@pytest.fixture(params=VARIANTS)
def model(request: pytest.FixtureRequest) -> Iterator[Embedder]:
    with Embedder(variant=request.param, threads=2, check="off") as model:
        yield model


@pytest.fixture
def alone(model: Embedder) -> list[bytes]:
    """What each text's vector is when nobody else calls."""
    result = model.embed(TEXTS)
    assert result.token_counts.max() > WORTH_ALL_THREADS
    return [model.encode(text).tobytes() for text in TEXTS]


def run_in_threads(work: Callable[[int], None], count: int) -> None:
    """Run work(0), work(1) …, all begun at the same moment. Raises what one of them raised."""
    begin = threading.Barrier(count)

    def begun(number: int) -> None:
        begin.wait(LOCKED_UP)
        work(number)

    with ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(begun, number) for number in range(count)]:
            future.result(timeout=LOCKED_UP)


def test_64_threads_on_one_model(model: Embedder, alone: list[bytes]) -> None:
    """Each thread begins with another text: lone long calls, short ones and batches meet."""

    def work(number: int) -> None:
        for step in range(len(TEXTS)):
            index = (number + step) % len(TEXTS)
            assert model.encode(TEXTS[index]).tobytes() == alone[index]
        assert [vector.tobytes() for vector in model.encode(TEXTS)] == alone

    before = threading.active_count()
    run_in_threads(work, THREADS)
    # Callers compute themselves: 64 of them need no more helpers than one.
    assert threading.active_count() <= before + 1


def test_several_models_at_once(model: Embedder, alone: list[bytes]) -> None:
    """Of both engines, each closed while the others go on."""
    with Embedder(variant="onnx-int8", check="off") as other:
        others = [vector.tobytes() for vector in other.encode(TEXTS)]

    def work(number: int) -> None:
        variant, expected = (model.variant, alone) if number % 2 else ("onnx-int8", others)
        with Embedder(variant=variant, threads=1 + number % 3, check="off") as mine:
            assert [vector.tobytes() for vector in mine.encode(TEXTS)] == expected
        assert [vector.tobytes() for vector in model.encode(TEXTS)] == alone

    run_in_threads(work, 6)


def test_asyncio(model: Embedder, alone: list[bytes]) -> None:
    """Calls in threads leave the event loop free, and giving up one does not disturb the rest."""

    async def main() -> None:
        calls = [asyncio.create_task(asyncio.to_thread(model.encode, text)) for text in TEXTS * 8]
        given_up = asyncio.create_task(asyncio.to_thread(model.encode, TEXTS * 20))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        found = await asyncio.wait_for(asyncio.gather(*calls), LOCKED_UP)
        assert [vector.tobytes() for vector in found] == alone * 8

    asyncio.run(main())


def test_close_during_use(model: Embedder, alone: list[bytes]) -> None:
    """Every call ends with right vectors or with ClosedError, and none begins any more."""
    started = threading.Barrier(9)
    outcomes: list[str] = []

    def work() -> None:
        started.wait(LOCKED_UP)
        while True:
            try:
                found = model.encode(TEXTS)
            except ClosedError:
                outcomes.append("closed")
                return
            if [vector.tobytes() for vector in found] != alone:
                outcomes.append("wrong")
                return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait(LOCKED_UP)
    model.close()
    for thread in threads:
        thread.join(LOCKED_UP)
        assert not thread.is_alive()
    assert outcomes == ["closed"] * 8


def test_closed_from_many_threads_at_once(model: Embedder) -> None:
    run_in_threads(lambda number: model.close(), 8)
    with pytest.raises(ClosedError):
        model.encode("a")


def test_one_bundle_loaded_from_many_threads_at_once() -> None:
    """llama.cpp has one log and one start-up for the whole process."""
    found: list[bytes] = []

    def work(number: int) -> None:
        with Embedder(variant=VARIANTS[number % 2], threads=1) as mine:
            found.append(mine.variant.encode() + mine.encode(TEXTS).tobytes())

    run_in_threads(work, 6)
    assert len(found) == 6
    assert len(set(found)) == 2


def test_without_a_thread_to_be_had(
    model: Embedder, alone: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine at its limit of threads: the caller computes, and the bits are the same."""
    with Embedder(variant=model.variant, threads=2, check="off") as fresh:
        refuse_threads(monkeypatch)
        assert [fresh.encode(text).tobytes() for text in TEXTS] == alone
        assert [vector.tobytes() for vector in fresh.encode(TEXTS)] == alone
        monkeypatch.undo()
        assert [fresh.encode(text).tobytes() for text in TEXTS] == alone
