"""Killed at any moment, a command leaves what was there, what is whole, or what it can go on with.

ONDOL_KILLS=40 python -m pytest tests/faults/test_kill.py -s    is the long run; the number is per
command. Every kill is a line of JSON: the share of the run that was over, and what was found.
"""

import json
import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ondol import BundleError, Embedder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

KILLS = int(os.environ.get("ONDOL_KILLS", "2"))


def moments(name: str, whole: float, begun: float) -> Iterator[float]:
    """KILLS moments between 0 and `whole` seconds, in random order and spread evenly: every second
    one over all of the run, the others over what follows the first write, at `begun`.
    """
    rng = random.Random(f"{name} {KILLS}")
    slots = rng.sample(range(KILLS), KILLS)
    for slot in slots:
        share = (slot + rng.random()) / KILLS
        yield whole * share if slot % 2 else begun + (whole - begun) * share


@pytest.mark.parametrize("name", ["build", "prune", "embed-npy", "pull"])
def test_the_result_is_whole_or_not_there(make_job: Callable[[str], Any], name: str) -> None:
    job = make_job(name)
    job.reset()
    earlier = job.found()
    whole, begun = job.timed()
    result = job.found()
    job.reset()
    for moment in moments(name, whole, begun):
        job.stop_after(moment, signal.SIGKILL)
        found, left = job.found(), job.leftovers()
        report(name, moment / whole, "whole" if found == result else "not there", len(left))
        assert found in (earlier, result)
        assert len(left) <= 1, "each run removes what the one before has left"
        for path in left:
            check_leftover(path, result)
        if found == result:
            job.reset()
    job.finish()
    assert job.found() == result
    assert job.leftovers() == []


def check_leftover(path: Any, result: Any) -> None:
    """It does not load, unless it is whole and was only not renamed yet."""
    if path.is_dir() and (path / "ondol.json").exists():
        Embedder(path, check="full").close()
    elif path.is_dir() and "ondol.json" in result:
        with pytest.raises(BundleError):
            Embedder(path)


def test_an_index_goes_on_where_it_was(make_job: Callable[[str], Any]) -> None:
    job = make_job("index")
    job.reset()
    whole, begun = job.timed()
    result = job.found()
    job.reset()
    stored = 0
    for moment in moments("index", whole, begun):
        job.stop_after(moment, signal.SIGKILL)
        found = job.found() or {}
        report("index", moment / whole, f"{len(found)} of {len(result)} passages", 0)
        assert found.items() <= result.items()
        assert len(found) >= stored, "what was finished is kept"
        stored = len(found)
        if found == result:
            job.reset()
            stored = 0
    counted = re.search(r"([\d,]+) passages? embedded", job.finish())
    assert counted is not None
    assert int(counted[1].replace(",", "")) == len(result) - stored
    assert job.found() == result
    assert [path.name for path in job.folder.iterdir()] == [job.out.name]


def report(command: str, share: float, found: str, leftovers: int) -> None:
    """For the long run."""
    line = {"command": command, "share": round(share, 3), "found": found, "left": leftovers}
    print(json.dumps(line))
