"""How a benchmark's numbers are kept: with the machine and the command that gave them."""

import json
import os
import shlex
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ondol.files import atomic_file
from ondol.machine import machine_facts


def write_record(path: Path, results: Any) -> None:
    """Write `results` to `path` as JSON, with the machine and this process's command line."""
    record = {
        "command": command_line(sys.argv),
        "machine": {**machine_facts(), "threads_allowed": len(os.sched_getaffinity(0))},
        "results": results,
    }
    text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    with atomic_file(path) as target:
        target.write_text(text, encoding="utf-8")


def command_line(argv: Sequence[str]) -> str:
    """`python benchmarks/….py …`, with absolute paths cut to their last part.

    Where a file lay on the machine that measured says nothing to another reader.
    """
    arguments = [_shortened(argument) for argument in argv[1:]]
    return shlex.join(["python", f"benchmarks/{Path(argv[0]).name}", *arguments])


def _shortened(argument: str) -> str:
    name, separator, path = argument.rpartition("=")
    if not path.startswith("/"):
        return argument
    place, _, rest = path.partition(":")  # BUNDLE:VARIANT
    return f"{name}{separator}{Path(place).name}{':' + rest if rest else ''}"


def median(values: Sequence[float]) -> float:
    """Of at least one value."""
    return float(statistics.median(values))
