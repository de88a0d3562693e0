"""Documents say what benchmarks/results says, and what README shows runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_tables_and_picture_match_the_results() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "render.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_python_blocks_run(name: str, tmp_path: Path, tiny_reranker: Path) -> None:
    (tmp_path / "reranker").symlink_to(tiny_reranker / "bundle")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        command = [sys.executable, "-c", block]
        result = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert result.returncode == 0, result.stderr
        assert re.search(r"\[.*\]", result.stdout, re.DOTALL), "similarities or scores are printed"


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_shell_lines_that_need_no_network_run(name: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    # A bundle of a hub model is not here; `ondol build` on a directory has tests of its own.
    # Nor are data sets: their guide's blocks run.
    offline = re.compile(r"\bondol (?=(?:embed|index|search) )")
    runnable = [line for line in lines if offline.search(line) and "--model" not in line]
    assert runnable
    for line in runnable:
        command = offline.sub(f"{sys.executable} -m ondol ", line)
        result = subprocess.run(
            command, shell=True, cwd=tmp_path, capture_output=True, timeout=120, check=False
        )
        assert result.returncode == 0, result.stderr.decode()
    if name == "README.md":
        assert (tmp_path / "vectors.npy").stat().st_size == 128 + 2 * 384 * 4


def test_the_search_example_runs(tmp_path: Path) -> None:
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "search.md").read_text("utf-8"), re.DOTALL
    )
    result = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("refunds.md 1 ('환불',)")


def test_links_lead_somewhere() -> None:
    documents = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").glob("*.md"))]
    assert len(documents) >= 6
    for document in documents:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
