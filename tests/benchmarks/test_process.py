"""Seconds and memory of real processes."""

import sys

import pytest

from ondol.benchmarks import process
from ondol.benchmarks.process import run_process

pytestmark = pytest.mark.skipif(not process.AVAILABLE, reason="POSIX processes")


def test_the_first_output_comes_before_the_exit() -> None:
    program = "import time; print(1, flush=True); time.sleep(0.3)"
    cost = run_process((sys.executable, "-S", "-c", program))
    assert 0 < cost.first_output_seconds < cost.seconds - 0.25


def test_a_silent_process_has_no_first_output() -> None:
    assert run_process((sys.executable, "-S", "-c", "pass")).first_output_seconds == 0


def test_the_peak_counts_what_the_process_held() -> None:
    small = run_process((sys.executable, "-S", "-c", "pass"))
    large = run_process((sys.executable, "-S", "-c", "bytearray(b'1') * 50_000_000"))
    assert 45e6 < large.peak_bytes - small.peak_bytes < 60e6


def test_a_process_that_fails_is_an_error_with_its_last_line() -> None:
    with pytest.raises(OSError, match="exited with 1: ValueError: no such model"):
        run_process((sys.executable, "-S", "-c", "raise ValueError('no such model')"))


def test_a_program_that_is_missing_is_an_error() -> None:
    with pytest.raises(OSError, match="cannot start /no/program"):
        run_process(("/no/program",))
