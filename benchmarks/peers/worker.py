"""A process that runs one contender for another program, in the contender's environment.

    cd benchmarks && PYTHON -m peers.worker

Requests come on stdin and replies go to stdout, one line of JSON each:

    {"load": {module, source, threads, options}}        {}
    {"encode": {texts, calls, vectors}}                 {"seconds": [of each call]}
    {"describe": {packages}}                            {"peak_bytes": …, "versions": {…}}

`vectors` is a path for the last call's vectors (.npy), or null. What the engine raises comes back
as {"error": "type: message"}. The process ends with its stdin.
"""

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from peers.contender import Encode
from peers.versions import versions


class Worker:
    """The state between requests: the engine, once it is loaded."""

    def __init__(self) -> None:
        self._encode: Encode | None = None

    def reply(self, request: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """To one request. Raises ValueError for an unknown one, and what the engine raises."""
        match request:
            case {"load": wanted}:
                return self._load(**wanted)
            case {"encode": wanted}:
                return self._timed(**wanted)
            case {"describe": wanted}:
                return {"peak_bytes": peak_bytes(), "versions": versions(wanted["packages"])}
        raise ValueError(f"expected load, encode or describe, got {list(request)}")

    def _load(
        self, module: str, source: str, threads: int, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        self._encode = importlib.import_module(module).load(Path(source), threads, **options)
        return {}

    def _timed(self, texts: list[str], calls: int, vectors: str | None) -> dict[str, Any]:
        if self._encode is None:
            raise ValueError("encode came before load")
        seconds = []
        for _ in range(calls):
            start = time.perf_counter()
            result = self._encode(texts)
            seconds.append(time.perf_counter() - start)
        if vectors is not None:
            np.save(vectors, np.asarray(result, dtype=np.float32))
        return {"seconds": seconds}


def peak_bytes() -> int:
    """The most that this process had resident, mapped files included."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        status = ""
    # ru_maxrss starts with what the process that started this one had, VmHWM does not.
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024


def main() -> None:
    # Libraries print where they like: stdout is kept for replies alone.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        try:
            reply = worker.reply(json.loads(line))
        except Exception as error:  # an engine may raise anything, and the table says what
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")


if __name__ == "__main__":
    main()
