"""What a killed process has left unfinished goes; what a live one is writing stays."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ondol.errors import OutputError
from ondol.files import atomic_directory, atomic_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no flock")

#: Begins argv[2], says so, and finishes it when it is told to.
_WRITER = """
import sys
from pathlib import Path
import ondol.files
with getattr(ondol.files, sys.argv[1])(Path(sys.argv[2])) as partial:
    (partial / "a" if partial.is_dir() else partial).write_text("of the other process")
    print(partial.name, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def writer(kind: str, out: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has begun to write `out`."""
    command = [sys.executable, "-c", _WRITER, kind, str(out)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert (out.parent / process.stdout.readline().strip()).exists()
        yield process


def write(kind: str, out: Path) -> None:
    if kind == "atomic_file":
        with atomic_file(out) as partial:
            partial.write_text("of this process")
    else:
        with atomic_directory(out) as partial:
            (partial / "a").write_text("of this process")


@pytest.mark.parametrize("kind", ["atomic_file", "atomic_directory"])
def test_what_a_killed_process_has_left_is_removed(kind: str, tmp_path: Path) -> None:
    for _ in range(2):
        with writer(kind, tmp_path / "out") as process:
            process.send_signal(signal.SIGKILL)
        assert len(list(tmp_path.iterdir())) == 1
    write(kind, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_live_process_writes_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with writer("atomic_file", out) as process:
        write("atomic_file", out)
        assert out.read_text() == "of this process"
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
    assert out.read_text() == "of the other process"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_of_two_directories_at_once_the_first_that_is_whole_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with writer("atomic_directory", out) as process:
        write("atomic_directory", out)
        _, stderr = process.communicate("\n", timeout=60)
        assert "InputError" in stderr.splitlines()[-1]
        assert "out already exists" in stderr
    assert (out / "a").read_text() == "of this process"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "name",
    [
        ".out.partial-mine",
        ".out.partial-b.partial-0123456789abcdef",  # of the target out.partial-b
        "out.partial-0123456789abcdef",
        ".output.partial-0123456789abcdef",
    ],
)
def test_files_of_other_names_are_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    write("atomic_file", tmp_path / "out")
    assert (tmp_path / name).read_text() == "mine"


def test_neither_links_nor_pipes_are_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".out.partial-0123456789abcdef").symlink_to(tmp_path / "mine")
    os.mkfifo(tmp_path / ".out.partial-0123456789abcdee")
    write("atomic_file", tmp_path / "out")
    assert (tmp_path / "mine").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 4


def test_a_directory_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write into .*: Not a directory; choose another"):
        write("atomic_file", tmp_path / "file" / "deeper" / "out")


@pytest.mark.parametrize("kind", ["atomic_file", "atomic_directory"])
def test_a_signal_at_any_line_leaves_the_whole_or_nothing(kind: str, tmp_path: Path) -> None:
    point = 0
    while interrupted(point, lambda folder: write(kind, folder / "out"), tmp_path / str(point)):
        point += 1
    assert point > 50


def interrupted(point: int, work: Callable[[Path], None], folder: Path) -> bool:
    """Interrupt `work` before the line of that number, of ondol's and of the standard library.

    Returns whether it has so many. Fails if something is left that is not finished.
    """
    folder.mkdir()
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == point:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    try:
        sys.settrace(trace)
        work(folder)
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    assert [path.name for path in folder.iterdir()] in ([], ["out"])
    return point <= lines


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (OSError("96 requested and 30 written"), "a file stayed too short"),
    ],
)
def test_no_room_is_an_output_error_and_leaves_nothing(
    error: OSError, reason: str, tmp_path: Path
) -> None:
    def fill() -> None:
        with atomic_file(tmp_path / "out"):
            raise error

    with pytest.raises(OutputError, match=f"out was not written: {reason}.*; make room"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_another_error_stays_what_it_is(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_file(tmp_path / "out"):
            raise OSError("no such model")

    with pytest.raises(OSError, match="no such model"):
        fail()
    assert list(tmp_path.iterdir()) == []
