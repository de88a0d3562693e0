"""What a process holds, and whether that grows. Linux only."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Footprint:
    """Of one moment.

    Attributes:
        resident_bytes: mapped files included.
        descriptors: open files, sockets and pipes.
        threads: of Python and of the engines.
    """

    resident_bytes: int
    descriptors: int
    threads: int


def footprint() -> Footprint:
    """This process's, now."""
    resident_pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return Footprint(
        resident_bytes=resident_pages * os.sysconf("SC_PAGE_SIZE"),
        # One is this listing's own.
        descriptors=sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1,
        threads=sum(1 for _ in Path("/proc/self/task").iterdir()),
    )


@dataclass(frozen=True)
class Slope:
    """A straight line's, with the standard error of ordinary least squares."""

    value: float
    standard_error: float


def slope(x: Sequence[float], y: Sequence[float]) -> Slope:
    """Growth of `y` with `x`, at least 3 points.

    The error takes the points for independent. Memory that grows in steps is not: its true error
    is larger.
    """
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    centred = xs - xs.mean()
    spread = float(centred @ centred)
    value = float(centred @ ys) / spread
    residuals = ys - ys.mean() - value * centred
    variance = float(residuals @ residuals) / (len(xs) - 2)
    return Slope(value, float(np.sqrt(variance / spread)))


def second_half_slope(x: Sequence[float], y: Sequence[float]) -> Slope:
    """Of the points after the first half, in which pools and caches fill."""
    half = len(x) // 2
    return slope(x[half:], y[half:])
