"""A moment of fuzzing by coverage, which shows that its readers run; the long run is by hand."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("guided.py")

#: Files of the tiny bundle from which the fuzzer begins.
SEEDS = {
    "manifest": "ondol.json",
    "npy": "reference.npy",
    "onnx": "onnx/model-fp32.onnx",
    "gguf": "gguf/model-f16.gguf",
    "jsonl": "reference.json",
}


@pytest.mark.skipif(find_spec("atheris") is None, reason="needs atheris")
@pytest.mark.parametrize("reader", SEEDS)
def test_a_moment_of_each(tiny_bundle: Path, tmp_path: Path, reader: str) -> None:
    seed = tiny_bundle / SEEDS[reader]
    command = [sys.executable, PROGRAM, reader, "--seconds", "1", "--seeds", seed]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    (count,) = re.findall(r"stat::number_of_executed_units:\s+(\d+)", done.stderr)
    assert int(count) > 10
