"""The bar counts what was done, and costs nothing where it is not shown."""

import subprocess
import sys
from pathlib import Path

import pytest

from ondol.runtime.embedder import Embedder


def test_the_bar_counts_every_text(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Embedder(tiny_bundle, variant="onnx-fp32", threads=2) as model:
        model.encode(["a", "b", "한국"] * 10, show_progress_bar=True)
        assert "30/30" in capsys.readouterr().err
        model.encode(["a"] * 30)
        assert capsys.readouterr().err == ""


def test_without_a_bar_tqdm_is_not_imported(tiny_bundle: Path) -> None:
    program = (
        "import sys; from ondol.cli import main; "
        "main(['embed', 'a', '--quiet', '--model', sys.argv[1], '--variant', 'onnx-fp32']); "
        "sys.exit('tqdm' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tiny_bundle)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
