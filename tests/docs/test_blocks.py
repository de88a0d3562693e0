"""Every code block of the guides runs, in its document's order and in one folder; those that cannot
say why.
"""

import os
import re
import subprocess
import sys
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

GUIDES = ["start.md", "integrations.md", "offline-app.md", "datasets.md"]

#: What a block may need that a test does not have, after "not run:".
REASONS = {
    "network",
    "llama.cpp",
    "Ollama",
    "needs minutes",
    "needs several machines",
    "needs PyInstaller and a bundle",
}

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One fenced block of a document."""

    language: str
    code: str
    reason: str | None

    @classmethod
    def of(cls, guide: str) -> "list[Block]":
        text = (ROOT / "docs" / guide).read_text("utf-8")
        found = [
            cls(match["language"], match["code"], match["reason"])
            for match in _BLOCK.finditer(text)
        ]
        assert text.count("```") == 2 * len(found), "every fence belongs to a block"
        return found


@pytest.fixture
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which `ondol` and `python` are those of this test."""
    folder = tmp_path_factory.mktemp("bin")
    for name, module in (("ondol", " -m ondol"), ("python", "")):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{module} "$@"\n')
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.filterwarnings("ignore::ondol.TruncationWarning")  # one block cuts a text
@pytest.mark.parametrize("guide", GUIDES)
def test_blocks_run(guide: str, tmp_path: Path, commands: dict[str, str]) -> None:
    blocks = [block for block in Block.of(guide) if block.reason is None]
    assert {block.language for block in blocks} <= {"python", "sh", "text"}
    for block in blocks:
        if block.language == "python":
            _run_python(block.code, tmp_path)
        elif block.language == "sh":
            _run_shell(block.code, tmp_path, commands)


@pytest.mark.parametrize("guide", GUIDES)
def test_what_does_not_run_says_why(guide: str) -> None:
    reasons = {block.reason for block in Block.of(guide) if block.reason is not None}
    assert reasons <= REASONS


def _run_python(code: str, folder: Path) -> None:
    # In this process: the libraries of the adapters take seconds to import.
    with chdir(folder):
        exec(
            compile(code, "block", "exec"),
            {"__name__": "block", "__file__": str(folder / "block.py")},
        )


def _run_shell(code: str, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stderr.decode()}"
