"""Killed at any moment, a command leaves what was there, what is whole, or what it can go on with.

ONDOL_KILLS=40 python -m pytest tests/faults/test_kill.py -s    is the long run; the number is per
command. Every kill is a line of JSON: the share of the work that was done, and what was found.
"""

import json
import os
import random
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hub_stand_in import files_of

from ondol import BundleError, Embedder

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="reads the clock of another process as Linux has it"
)

KILLS = int(os.environ.get("ONDOL_KILLS", "2"))


#: The longest wait, in seconds, between a moment and the kill: a process that waits for the disk or
#: the network does not work, and is to be killed there too.
_LONGEST_DELAY = 0.05


@dataclass(frozen=True)
class Moment:
    """When to kill: seconds of work, and seconds of the clock after them."""

    worked: float
    delay: float


def moments(name: str, whole: float, begun: float) -> Iterator[Moment]:
    """KILLS moments between 0 and `whole` seconds of work, in random order and spread evenly: every
    second one over all of the run, the others over what follows the first write, at `begun`.
    """
    rng = random.Random(f"{name} {KILLS}")
    for slot in rng.sample(range(KILLS), KILLS):
        share = (slot + rng.random()) / KILLS
        worked = whole * share if slot % 2 else begun + (whole - begun) * share
        yield Moment(worked, rng.uniform(0, _LONGEST_DELAY))


@pytest.mark.parametrize("name", ["build", "prune", "embed-npy", "pull"])
def test_the_result_is_whole_or_not_there(make_job: Callable[[str], Any], name: str) -> None:
    job = make_job(name)
    job.reset()
    earlier = job.found()
    whole, begun = job.measure()
    result = job.found()
    job.reset()
    for moment in moments(name, whole, begun):
        _, _, worked = job.stop_at(moment.worked, signal.SIGKILL, moment.delay)
        found, left = job.found(), job.leftovers()
        report(name, worked / whole, "whole" if found == result else "not there", len(left))
        assert found in (earlier, result)
        assert len(left) <= 1, "each run removes what the one before has left"
        for path in left:
            check_leftover(path, result)
        if found == result:
            job.reset()
    job.finish()
    assert job.found() == result
    assert job.leftovers() == []


def check_leftover(path: Path, result: Any) -> None:
    """It does not load, unless it is whole and was only not renamed yet."""
    if path.is_dir() and "ondol.json" in result:
        try:
            Embedder(path).close()
        except BundleError:
            return
        assert files_of(path) == result


def test_an_index_goes_on_where_it_was(make_job: Callable[[str], Any]) -> None:
    job = make_job("index")
    job.reset()
    whole, begun = job.measure()
    result = job.found()
    job.reset()
    stored = 0
    for moment in moments("index", whole, begun):
        _, _, worked = job.stop_at(moment.worked, signal.SIGKILL, moment.delay)
        found = job.found() or {}
        report("index", worked / whole, f"{len(found)} of {len(result)} passages", 0)
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
