"""Run one peer's `prepare` in its own environment; make_peers.py starts this.

    cd benchmarks && PYTHON -m peers.prepare MODULE CHECKPOINT OUT TEXTS

TEXTS is a JSON list of the texts to calibrate on.
"""

import importlib
import json
import sys
from pathlib import Path


def main(module: str, checkpoint: str, out: str, texts: str) -> None:
    lines = json.loads(Path(texts).read_text(encoding="utf-8"))
    importlib.import_module(module).prepare(Path(checkpoint), Path(out), lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
