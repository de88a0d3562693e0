"""Memory and processor time of a command with all processes that it starts, on Linux."""

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.25
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class TreeCost:
    """What a command and its descendants needed.

    Attributes:
        seconds: from its start to its exit.
        processor_seconds: of all of them together.
        peak_bytes: the most that they held together, a page that several share counted once (the
            sum of the proportional set sizes of /proc/PID/smaps_rollup).
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int


def run_tree(command: Sequence[str]) -> TreeCost:
    """Run a command to its end, and look at its processes four times a second.

    Raises OSError with the end of what it wrote to standard error if it does not exit with 0.
    """
    started = time.monotonic()
    # What descendants write must not fill a pipe: of a Ray cluster some outlive the command.
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        lines: list[bytes] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stderr or []), daemon=True)
        reader.start()
        ticks: dict[int, int] = {}
        peak = 0
        while process.poll() is None:
            tree = descendants(process.pid)
            for pid in tree:
                ticks[pid] = max(ticks.get(pid, 0), processor_ticks(pid))
            peak = max(peak, sum(map(proportional_bytes, tree)))
            time.sleep(_SAMPLE_SECONDS)
        seconds = time.monotonic() - started
        reader.join(timeout=5)
    if process.returncode != 0:
        last = b"".join(lines[-3:]).decode(errors="replace").strip()
        raise OSError(f"{' '.join(command)} exited with {process.returncode}: {last}")
    return TreeCost(seconds, sum(ticks.values()) / _TICKS, peak)


def descendants(root: int) -> list[int]:
    """The process and all below it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found, left = [], [root]
    while left:
        found.append(left.pop())
        left += children.get(found[-1], [])
    return found


def processor_ticks(pid: int) -> int:
    """In user and system mode, by all its threads; 0 if it has ended."""
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def proportional_bytes(pid: int) -> int:
    """Its pages, each divided by the number of processes that share it; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
