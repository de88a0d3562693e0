"""How many threads an engine should use on this machine."""

import os
from pathlib import Path

_TOPOLOGY = "/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"


def physical_cores() -> int:
    """Physical cores that this process may run on, at least 1.

    Two hardware threads of one core share its vector units, so a second one adds no products per
    second. Where the system does not tell siblings apart, every processor counts.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = os.sched_getaffinity(0)
    else:  # macOS, Windows
        allowed = set(range(os.cpu_count() or 1))
    cores = set()
    for cpu in allowed:
        try:
            cores.add(Path(_TOPOLOGY.format(cpu=cpu)).read_text(encoding="ascii").strip())
        except OSError:
            cores.add(str(cpu))
    return max(1, len(cores))
