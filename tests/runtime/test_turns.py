"""Cores are never given out twice, nobody waits for ever, and nobody overtakes."""

import threading
import time

import pytest

from ondol.runtime.turns import Turns


def wait_until_waiting(turns: Turns, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(turns._waiting) < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_all_cores_only_when_none_is_in_use() -> None:
    turns = Turns(2)
    with turns.all_or_one() as alone:
        assert alone
    with turns.one(), turns.all_or_one() as alone:
        assert not alone
    with turns.all_or_one() as alone:
        assert alone


@pytest.mark.parametrize("cores", [1, 3])
def test_never_more_at_once_than_cores(cores: int) -> None:
    turns = Turns(cores)
    lock = threading.Lock()
    used, most = 0, 0

    def work(kind: int) -> None:
        nonlocal used, most
        for step in range(50):
            if (step + kind) % 3:
                with turns.one():
                    enter_and_leave(1)
            else:
                with turns.all_or_one() as alone:
                    enter_and_leave(cores if alone else 1)

    def enter_and_leave(count: int) -> None:
        nonlocal used, most
        with lock:
            used += count
            most = max(most, used)
        time.sleep(0.0001)
        with lock:
            used -= count

    threads = [threading.Thread(target=work, args=(kind,)) for kind in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert most == cores
    assert used == 0


def test_first_come_first_served() -> None:
    turns = Turns(1)
    order: list[str] = []

    def wait_for_a_turn(name: str) -> None:
        with turns.one():
            order.append(name)

    threads = [threading.Thread(target=wait_for_a_turn, args=(name,)) for name in "abc"]
    with turns.one():
        for count, thread in enumerate(threads, 1):
            thread.start()
            wait_until_waiting(turns, count)
    # The core is promised to "a" now: this thread, which has just had it, queues behind "c".
    wait_for_a_turn("again")
    for thread in threads:
        thread.join(timeout=60)
    assert order == ["a", "b", "c", "again"]


def test_an_error_inside_gives_the_core_back() -> None:
    turns = Turns(2)
    with pytest.raises(ZeroDivisionError), turns.all_or_one():
        _ = 1 / 0
    with turns.all_or_one() as alone:
        assert alone
