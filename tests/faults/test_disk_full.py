"""A full disk, and files that may not grow: one line that says so, and nothing unfinished."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX limits")

#: Less than any of the results here needs.
_SIZE = 16 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for _SIZE bytes."""
    place = tmp_path / "out"
    place.mkdir(exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs"]
    if subprocess.run(["mount", *options, place], capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("name", ["prune", "embed-npy", "embed-jsonl", "embed-parquet", "pull"])
def test_a_full_disk(small_disk: Path, make_job: Callable[[str], Any], name: str) -> None:
    job = make_job(name)
    assert "No space left on device" in job.fail()
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_leaves_an_index_that_works(
    small_disk: Path, make_job: Callable[[str], Any]
) -> None:
    job = make_job("index")
    subprocess.run(["mount", "-o", "remount,size=200k", small_disk], check=True)
    assert job.fail().endswith(f"cannot read or write {job.out}: database or disk is full")
    stored = job.found()
    assert stored
    assert [path.name for path in small_disk.iterdir()] == [job.out.name]
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    job.finish()
    assert stored.items() < job.found().items()


@pytest.mark.parametrize("name", ["embed-npy", "pull"])
def test_a_file_that_may_not_grow(make_job: Callable[[str], Any], name: str) -> None:
    job = make_job(name)
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (_SIZE, _SIZE))
    assert "File too large" in job.fail(preexec_fn=limit)
    assert list(job.folder.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_standard_output_on_a_full_disk(make_job: Callable[[str], Any]) -> None:
    job = make_job("embed-npy")
    job.arguments = ["embed", "글"]
    with Path("/dev/full").open("wb") as full:
        assert job.fail(stdout=full).endswith(
            "standard output cannot be written: No space left on device"
        )
