"""What a signal handler raises, at every place where Python looks for signals."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from interrupts import HandlerError, interrupted_at
from threads import forget_threads, refuse_threads

from ondol.runtime.shield import run_shielded


class Work:
    """Notes the threads that begin and end it; ends soon when it was stopped."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.stopped = threading.Event()

    def __call__(self) -> None:
        self.begun.append(threading.get_ident())
        self.stopped.wait(0.02)
        self.ended.append(threading.get_ident())

    def run(self) -> None:
        run_shielded(self, stop=self.stopped.set)


def test_work_is_done_whole_or_not_at_all_wherever_the_exception_comes() -> None:
    place, more = 0, True
    times = set()
    while more:
        place += 1
        work = Work()
        more = interrupted_at(place, work.run)
        assert work.begun == work.ended
        assert threading.get_ident() not in work.begun
        times.add(len(work.begun))
    assert place > 5
    assert times == {0, 1}


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_an_exception_stops_the_work_and_waits_for_its_end() -> None:
    stopped, ended = threading.Event(), []

    def work() -> None:
        assert stopped.wait(60)
        time.sleep(0.05)
        ended.append(True)

    def interrupt(signum: int, frame: object) -> None:
        raise HandlerError

    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(HandlerError):
            run_shielded(work, stop=stopped.set)
        assert ended == [True]
        timer.join()
    finally:
        signal.signal(signal.SIGINT, previous)


#: Says what happens when, with work that goes on for 0.5 s after it is stopped.
_IMPATIENT = """
import signal, sys, threading, time
from ondol.runtime.shield import run_shielded

stopped = threading.Event()

def say(what):
    print(what, flush=True)

def work():
    say("begun")
    stopped.wait()
    say("stopping")
    time.sleep(0.5)
    say("ended")

try:
    run_shielded(work, stop=stopped.set)
except KeyboardInterrupt:
    say("interrupted")
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_second_exception_does_not_wait_but_the_process_does() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _IMPATIENT], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in ("begun\n", "stopping\n"):
            assert process.stdout.readline() == line
            process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\nended\n"
        assert process.wait(60) == 0


def test_what_the_work_raises_is_raised() -> None:
    def work() -> None:
        raise KeyError("a")

    with pytest.raises(KeyError, match="a"):
        run_shielded(work, stop=int)


def test_other_threads_work_themselves() -> None:
    workers = []
    thread = threading.Thread(
        target=lambda: run_shielded(lambda: workers.append(threading.get_ident()), stop=int)
    )
    thread.start()
    thread.join()
    assert workers == [thread.ident]


def test_one_thread_does_the_work_of_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_threads(monkeypatch)
    workers = set()
    for _ in range(2000):
        run_shielded(lambda: workers.add(threading.get_ident()), stop=int)
    assert len(workers) == 1


def test_without_a_thread_to_be_had_the_main_thread_works(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_threads(monkeypatch)
    workers = []
    run_shielded(lambda: workers.append(threading.get_ident()), stop=int)
    assert workers == [threading.get_ident()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_a_thread_of_its_own() -> None:
    run_shielded(int, stop=int)
    code = 1
    child = os.fork()
    if not child:
        try:
            run_shielded(int, stop=int)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
