"""A contender in a process of its own, seen from the program that compares."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ondol.errors import OndolError
from peers.contender import Contender
from peers.places import BENCHMARKS, environment_python

#: Characters of a reason in a table.
_REASON = 300


class PeerError(OndolError):
    """A peer cannot run the model; the message is its reason."""


@dataclass(frozen=True)
class Description:
    """What a process says of itself: bytes, and versions by package."""

    peak_bytes: int
    versions: Mapping[str, str | None]


class PeerProcess:
    """A started worker.py. A context manager: leaving it ends the process.

    Attributes:
        started: `time.perf_counter()` when the process was started.
    """

    def __init__(self, contender: Contender, peers: Path, threads: int) -> None:
        """Start the process, load nothing. Raises PeerError if files or environment are missing."""
        if missing := contender.missing():
            raise PeerError(f"{missing[0].name} is missing")
        python = Path(sys.executable)
        if contender.environment is not None:
            python = environment_python(peers, contender.environment)
            if not python.exists():
                raise PeerError(f"the environment {contender.environment} is missing")
        self._contender = contender
        self._peers = peers
        self._threads = threads
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            [python, "-m", "peers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=BENCHMARKS,
            env=_environment(threads),
            text=True,
            encoding="utf-8",
            # Ctrl-C is for the program that compares: it ends this process by itself.
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def load(self) -> None:
        """Open the model. Raises PeerError."""
        self._ask(
            "load",
            module=self._contender.module,
            source=str(self._contender.source.absolute()),
            threads=self._threads,
            options=dict(self._contender.options),
        )

    def seconds(self, texts: Sequence[str], calls: int = 1) -> list[float]:
        """Of each call of the engine's `encode` with all of `texts`. Raises PeerError."""
        return list(self._ask("encode", texts=list(texts), calls=calls, vectors=None)["seconds"])

    def encode(self, texts: Sequence[str]) -> tuple[float, NDArray[np.float32]]:
        """Seconds and (texts, dim) float32 of one call. Raises PeerError."""
        with tempfile.TemporaryDirectory() as work:
            path = Path(work, "vectors.npy")
            reply = self._ask("encode", texts=list(texts), calls=1, vectors=str(path))
            return reply["seconds"][0], np.load(path)

    def describe(self) -> Description:
        """Peak memory so far, and versions. Raises PeerError."""
        return Description(**self._ask("describe", packages=self._contender.packages))

    def _ask(self, request: str, **content: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({request: content}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerError(self._last_words()) from None
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(self._last_words())
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise PeerError(self._reason(reply["error"]))
        return reply

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", errors="replace").split("\n")
        said = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return self._reason(f"its process ended with {code}: {said}")

    def _reason(self, message: str) -> str:
        return one_line(message, self._contender.source, self._peers, BENCHMARKS)


def one_line(message: str, *places: Path) -> str:
    """A message for a cell of a table, with the paths of `places` cut to their last part.

    Where a file lay on the machine that measured says nothing to another reader.
    """
    for place in places:
        message = message.replace(str(place.absolute()), place.name)
    text = " ".join(message.split())
    return text if len(text) <= _REASON else f"{text[:_REASON]}…"


def _environment(threads: int) -> dict[str, str]:
    """As many threads for tokenizing, and for libraries that take OpenMP's, as for the model."""
    return {
        **os.environ,
        "RAYON_NUM_THREADS": str(threads),
        # Without it tokenizers keeps to one thread in a process that it takes for a forked one.
        "TOKENIZERS_PARALLELISM": "true",
        "OMP_NUM_THREADS": str(threads),
        # All files are there: a look for newer ones would be counted as the engine's start.
        "HF_HUB_OFFLINE": "1",
    }
