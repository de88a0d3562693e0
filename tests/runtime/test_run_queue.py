"""Whose texts run next, and with whom: every group once, nobody waits for ever, runs are full."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ondol.runtime.run_queue import SHORT_TOKENS, Call, Group, Part, RunQueue
from ondol.runtime.schedule import plan


def call_of(lengths: Sequence[int], max_texts: int = 32) -> Call:
    return Call([[0] * length for length in lengths], lambda group, outputs: None, max_texts)


def queue_of(budget: int = 64, parallel_runs: int = 1) -> RunQueue:
    return RunQueue(max_batch_tokens=budget, parallel_runs=parallel_runs)


def planned(lengths: Sequence[int], budget: int = 64, max_texts: int = 32) -> list[Group]:
    return plan(
        lengths,
        max_batch_tokens=budget,
        max_texts=max_texts,
        equal_lengths=True,
        parallel_runs=1,
    )


def add(queue: RunQueue, lengths: Sequence[int], max_texts: int = 32, budget: int = 64) -> Call:
    call = call_of(lengths, max_texts)
    queue.add(call, planned(lengths, budget, max_texts))
    return call


def end(parts: Sequence[Part]) -> None:
    for part in parts:
        part.call.running -= 1


def test_nothing_waits_in_a_new_queue() -> None:
    queue = queue_of()
    assert not queue
    assert queue.take() == []
    queue.add(call_of([]), [])
    assert not queue


def test_texts_of_one_length_share_a_run_whoever_they_are_of() -> None:
    queue = queue_of()
    first, second, third = (add(queue, lengths) for lengths in ([8, 5], [8], [5, 8, 8]))
    run = queue.take()
    assert run == [Part(first, (0,)), Part(second, (0,)), Part(third, (1, 2))]
    assert second.running == 1
    assert not second.ended
    end(run)
    assert second.ended
    assert [len(part.ids[0]) for part in run] == [8, 8, 8]
    assert queue.take() == [Part(third, (0,)), Part(first, (1,))]
    assert not queue


def test_a_run_is_filled_to_the_tokens_that_the_engine_takes_best() -> None:
    queue = queue_of(budget=20)
    first, second, third = add(queue, [8]), add(queue, [8, 8]), add(queue, [8])
    assert queue.take() == [Part(first, (0,)), Part(third, (0,))]
    assert queue.take() == [Part(second, (0, 1))]


def test_a_run_has_no_more_texts_than_any_of_its_calls_wants() -> None:
    queue = queue_of()
    first, second, third = (add(queue, [4], max_texts) for max_texts in (3, 2, 3))
    assert queue.take() == [Part(first, (0,)), Part(second, (0,))]
    assert queue.take() == [Part(third, (0,))]


def test_an_engine_that_takes_texts_one_by_one_gets_them_so() -> None:
    queue = queue_of(budget=0)
    for _ in range(3):
        call = call_of([4, 9])
        queue.add(call, [(1,), (0,)])
    runs = [queue.take() for _ in range(6)]
    assert [len(run) for run in runs] == [1] * 6
    assert [len(run[0].ids[0]) for run in runs] == [9, 9, 9, 4, 4, 4]


def test_the_fullest_run_comes_first_and_of_equal_ones_the_longest() -> None:
    queue = queue_of()
    call, other = add(queue, [30, 10, 10, 10, 7, 40]), add(queue, [10, 10, 5])
    assert queue.take() == [Part(call, (1, 2, 3)), Part(other, (0, 1))]
    assert [queue.take() for _ in range(4)] == [
        [Part(other, (2,))],
        [Part(call, (5,))],
        [Part(call, (0,))],
        [Part(call, (4,))],
    ]


def test_a_call_that_waits_alone_gets_its_longest_texts_first() -> None:
    queue = queue_of()
    add(queue, [30, 10, 10, 10, 10, 7, 40])
    assert [queue.take()[0].group for _ in range(4)] == [(6,), (0,), (1, 2, 3, 4), (5,)]


def test_what_is_left_is_spread_over_the_runs_that_go_at_once() -> None:
    queue = queue_of(parallel_runs=2)
    first, second = add(queue, [8]), add(queue, [8])
    assert queue.take() == [Part(first, (0,))]
    assert queue.take() == [Part(second, (0,))]


def test_calls_take_turns() -> None:
    queue = queue_of(budget=4)
    calls = [add(queue, [length] * 3, budget=4) for length in (5, 6, 7)]
    turns = [queue.take() for _ in range(9)]
    assert [run[0].call for run in turns] == calls * 3
    assert queue.take() == []


def test_short_calls_and_long_ones_alternate() -> None:
    queue = queue_of(budget=4)
    half = SHORT_TOKENS // 2
    long = add(queue, [half, half, 1])
    assert queue.take()[0].call is long
    short = [add(queue, [length]) for length in (5, 6)]
    assert [queue.take()[0].call for _ in range(4)] == [short[0], long, short[1], long]


def test_a_dropped_call_waits_no_more_and_is_not_put_back() -> None:
    queue = queue_of(budget=8)
    lost, kept = add(queue, [8, 8], budget=8), add(queue, [8], budget=8)
    run = queue.take()
    queue.drop(lost)
    queue.put_back(run[0])
    assert lost.ended
    assert queue.take() == [Part(kept, (0,))]
    assert not queue


def test_what_did_not_run_waits_again() -> None:
    queue = queue_of()
    call = add(queue, [8])
    queue.put_back(queue.take()[0])
    assert call.running == 0
    assert queue.take() == [Part(call, (0,))]


@given(
    calls=st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=20), min_size=1, max_size=6),
    budget=st.integers(0, 60),
    max_texts=st.integers(1, 6),
    parallel_runs=st.integers(1, 4),
    puts=st.lists(st.booleans(), max_size=30),
)
def test_every_text_runs_once_in_runs_of_one_length_and_bounded_size(
    calls: list[list[int]], budget: int, max_texts: int, parallel_runs: int, puts: list[bool]
) -> None:
    queue = queue_of(budget, parallel_runs)
    waiting = [call_of(lengths, max_texts) for lengths in calls]
    for call, lengths in zip(waiting, calls, strict=True):
        queue.add(call, planned(lengths, budget, max_texts))
    seen: set[tuple[int, int]] = set()
    while run := queue.take():
        if puts and puts.pop():
            for part in run:
                queue.put_back(part)
            continue
        end(run)
        lengths = [len(ids) for part in run for ids in part.ids]
        assert len(set(lengths)) == 1
        assert len(lengths) <= max_texts
        assert sum(lengths) <= budget or len(lengths) == 1
        for part in run:
            for index in part.group:
                assert (waiting.index(part.call), index) not in seen
                seen.add((waiting.index(part.call), index))
    assert len(seen) == sum(map(len, calls))
    assert all(call.ended for call in waiting)
    assert not queue


def test_a_long_call_has_every_second_run_however_many_short_ones_come() -> None:
    queue = queue_of(budget=8)
    long = add(queue, [8] * (SHORT_TOKENS // 4), budget=8)
    for _ in range(2 * len(long.waiting[8])):
        add(queue, [7], budget=8)
        add(queue, [6], budget=8)
        end(queue.take())
    assert long.ended
