"""Seconds and memory of a command in a fresh process."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

#: Whether this system can say what a child process needed; Windows cannot.
AVAILABLE = hasattr(os, "posix_spawn") and hasattr(os, "wait4")

#: Starts a command, reads its output away, and prints seconds to the first byte of it, seconds to
#: the exit, exit status and ru_maxrss. A process of its own, and a small one, because Linux counts
#: the memory of the process that forked into the child's maximum.
_LAUNCHER = """
import os, sys, time
output, child_output = os.pipe()
first = 0.0
start = time.perf_counter()
to_pipe = [(os.POSIX_SPAWN_DUP2, child_output, 1)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=to_pipe)
os.close(child_output)
while os.read(output, 65536):
    first = first or time.perf_counter() - start
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - start
print(first, seconds, os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


@dataclass(frozen=True)
class ProcessCost:
    """What one process needed.

    Attributes:
        first_output_seconds: from its start to its first output; 0 if it wrote nothing.
        seconds: from its start to its exit.
        peak_bytes: the most that was resident (ru_maxrss), mapped files included.
    """

    first_output_seconds: float
    seconds: float
    peak_bytes: int


def run_process(command: Sequence[str]) -> ProcessCost:
    """Run a command to its end, its output discarded.

    command: the program's path and its arguments. Raises OSError, with the last line that the
    command wrote to standard error, if it does not exit with 0.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command]
    done = subprocess.run(launcher, capture_output=True, encoding="utf-8", errors="replace")
    last_line = (done.stderr.strip().splitlines() or ["it wrote no error"])[-1]
    if done.returncode != 0:
        raise OSError(f"cannot start {command[0]}: {last_line}")
    first, seconds, code, peak = done.stdout.split()
    if code != "0":
        raise OSError(f"a process that should exit with 0 exited with {code}: {last_line}")
    # Linux counts in KiB, macOS in bytes.
    scale = 1 if sys.platform == "darwin" else 1024
    return ProcessCost(float(first), float(seconds), int(peak) * scale)
