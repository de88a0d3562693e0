"""Readers that go away, and standard streams that were never there."""

import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")


def shell(job: Any, command: str) -> "subprocess.CompletedProcess[str]":
    """Run `command`, in which "$@" is the job's command line."""
    pipe = ["bash", "-c", command, "ondol", *job.start_arguments()]
    return subprocess.run(
        pipe, env=job.environment, capture_output=True, encoding="utf-8", timeout=120
    )


def test_a_reader_that_stops_early_is_no_error(make_job: Callable[[str], Any]) -> None:
    job = make_job("embed-npy")
    # To standard output, which gets more than a pipe's buffer holds.
    job.arguments = job.arguments[:3]
    done = shell(job, '"$@" | head -1; echo "${PIPESTATUS[0]}"')
    first, code = done.stdout.splitlines()
    assert first.startswith('{"text": "0 번째", ')
    assert (code, done.stderr) == ("0", "")


def test_the_work_goes_on_when_nobody_reads_how_far_it_is(make_job: Callable[[str], Any]) -> None:
    job = make_job("pull")
    done = shell(job, '"$@" 2>&1 >/dev/null | head -1; exit "${PIPESTATUS[0]}"')
    assert done.returncode == 0, done.stderr
    assert "fetching" in done.stdout
    assert (job.out / "ondol.json").exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(make_job: Callable[[str], Any], closed: str) -> None:
    job = make_job("embed-npy")
    done = shell(job, f'"$@" {closed}')
    assert done.returncode == 0, done.stderr
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)
    assert [path.name for path in job.folder.iterdir()] == [job.out.name]


def test_an_error_that_nobody_reads_has_its_code(make_job: Callable[[str], Any]) -> None:
    job = make_job("embed-npy")
    job.arguments += ["--model", "none"]
    assert shell(job, '"$@" 2>&-').returncode == 1
    assert shell(job, '"$@" 2>&1 >/dev/null | true; exit "${PIPESTATUS[0]}"').returncode == 1
