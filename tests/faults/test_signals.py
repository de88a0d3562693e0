"""Ctrl-C and SIGTERM: one line that says so, the code that shells expect, nothing unfinished."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

ENDS = {
    signal.SIGINT: (130, "ondol: stopped by Ctrl-C\n"),
    signal.SIGTERM: (143, "ondol: stopped by SIGTERM\n"),
}

#: The long run has more: see test_kill.py.
MOMENTS = int(os.environ.get("ONDOL_KILLS", "2"))

#: The first share of a run belongs to Python, which has no handlers yet.
FIRST = 0.1


@pytest.mark.skipif(sys.platform != "linux", reason="reads the clock of another process")
@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("name", ["embed-npy", "index"])
def test_at_any_moment(make_job: Callable[[str], Any], name: str, number: signal.Signals) -> None:
    job = make_job(name)
    job.reset()
    earlier = job.found()
    whole, _ = job.measure()
    result = job.found()
    for slot in range(MOMENTS):
        job.reset()
        share = FIRST + (1 - FIRST) * (slot + 0.5) / MOMENTS
        code, stderr, _ = job.stop_at(whole * share, number)
        if job.found() == result and "stopped" not in stderr:
            continue  # it had just finished
        assert (code, stderr) == ENDS[number]
        assert [path for path in job.folder.iterdir() if path != job.out] == []
        if name == "embed-npy":
            assert job.found() == earlier


@pytest.mark.parametrize(
    ("name", "stage", "number"),
    [
        ("build", "computing", signal.SIGTERM),
        ("prune", "writing", signal.SIGINT),
    ],
)
def test_in_the_middle(
    make_job: Callable[[str], Any], name: str, stage: str, number: signal.Signals
) -> None:
    job = make_job(name)
    process = job.start()
    said = ""
    while stage not in said:
        line = process.stderr.readline().decode()
        assert line, said
        said += line
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    code, message = ENDS[number]
    assert process.returncode == code
    assert "Traceback" not in stderr.decode()
    assert stderr.decode().endswith(message)
    assert list(job.folder.iterdir()) == []


@pytest.mark.parametrize("number", ENDS)
def test_while_it_waits_for_input(
    make_job: Callable[[str], Any], number: signal.Signals, tmp_path: Path
) -> None:
    job = make_job("embed-npy")
    job.arguments = ["embed", "--out", str(job.out)]
    process = job.start(stdin=subprocess.PIPE)
    job.wait_until(lambda: list(job.folder.iterdir()) != [])
    process.send_signal(number)
    # Standard input stays open.
    assert process.wait(timeout=60) == ENDS[number][0]
    assert process.stderr.read().decode() == ENDS[number][1]
    assert list(job.folder.iterdir()) == []
    process.communicate()


@pytest.mark.parametrize("number", ENDS)
def test_while_it_waits_for_the_network(
    make_job: Callable[[str], Any], number: signal.Signals
) -> None:
    job = make_job("pull")
    job.hub.fail("onnx/model-int8.onnx", "stall", times=1)
    process = job.start()
    job.wait_until(lambda: "onnx/model-int8.onnx" in job.hub.names_sent())
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == ENDS[number][0]
    assert stderr.decode().endswith(ENDS[number][1])
    assert "Traceback" not in stderr.decode()
    assert list(job.folder.iterdir()) == []
    job.hub.sent.clear()
    job.finish()
    # What had come is not asked for again.
    assert "tokenizer.json" not in job.hub.names_sent()
    assert "onnx/model-int8.onnx" in job.hub.names_sent()
