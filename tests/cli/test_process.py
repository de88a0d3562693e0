"""The command as a process of its own: pipes and exit codes. tests/faults has its other ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ONDOL = [sys.executable, "-m", "ondol"]

#: The command's output is UTF-8 whatever the locale says.
_ENVIRONMENT = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*ONDOL, *arguments], input=stdin, capture_output=True, env=_ENVIRONMENT, check=False
    )


def test_a_pipe_in_and_a_pipe_out_in_a_bare_locale(tiny_bundle: Path) -> None:
    done = run("embed", "--model", str(tiny_bundle), stdin="한국\n".encode())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('{"text": "한국", "embedding": ['.encode())
    assert done.stdout.count(b"\n") == 1


def test_version() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith(b"ondol 0.")


def test_no_command_is_a_usage_error() -> None:
    done = run()
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"COMMAND" in done.stderr


def test_an_error_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = run("embed", "a", "--model", str(tmp_path / "none"))
    assert done.returncode == 1
    assert done.stderr.startswith(b"ondol: error: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_reader_that_stops_early_is_no_error(tiny_bundle: Path, tmp_path: Path) -> None:
    # More than a pipe's buffer holds.
    (tmp_path / "in.txt").write_text("a\n" * 5000)
    process = subprocess.Popen(
        [*ONDOL, "embed", "--model", str(tiny_bundle), "--input", str(tmp_path / "in.txt")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b'{"text": "a"')
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0
