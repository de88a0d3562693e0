"""What may not be read or written is said in one line, and nothing else changes."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")

#: prctl(2) and capabilities(7): with these two root is not held up by permissions.
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2


def obey_permissions() -> None:
    """Let the program that this process becomes be held up by permissions, also if it is root's."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture(scope="module", autouse=True)
def _permissions_count(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("closed")
    folder.chmod(0o555)
    tried = subprocess.run(
        ["touch", folder / "file"], preexec_fn=obey_permissions, capture_output=True
    )
    if tried.returncode == 0:
        pytest.skip("needs the right to give up root's capabilities")


@pytest.fixture
def job_in(make_job: Callable[[str], Any]) -> Iterator[Callable[[str, int], Any]]:
    """A job by its name, whose folder has a mode; it can be written again at the end."""
    folders: list[Path] = []

    def make(name: str, mode: int) -> Any:
        job = make_job(name)
        folders.append(job.folder)
        job.folder.chmod(mode)
        return job

    yield make
    for folder in folders:
        folder.chmod(0o755)


def failed(job: Any) -> str:
    """Run a job that cannot be done; returns its last line."""
    process = job.start(preexec_fn=obey_permissions)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1, stderr.decode()
    assert "Traceback" not in stderr.decode()
    last: str = stderr.decode().splitlines()[-1]
    return last


@pytest.mark.parametrize("name", ["prune", "embed-npy", "pull"])
def test_a_folder_that_may_not_be_written(job_in: Callable[[str, int], Any], name: str) -> None:
    job = job_in(name, 0o555)
    assert failed(job) == (
        f"ondol: error: cannot write into {job.folder}: Permission denied; choose another place "
        f"for {job.out.name}"
    )
    assert list(job.folder.iterdir()) == []


def test_an_index_that_may_not_be_made(job_in: Callable[[str, int], Any]) -> None:
    job = job_in("index", 0o555)
    assert failed(job).startswith(f"ondol: error: cannot read or write {job.out}: ")


def test_an_index_that_may_not_be_written(job_in: Callable[[str, int], Any]) -> None:
    job = job_in("index", 0o755)
    job.finish()
    before = job.found()
    (Path(job.arguments[1]) / "new.md").write_text("새 글")
    job.out.chmod(0o444)
    assert failed(job).startswith(f"ondol: error: cannot read or write {job.out}: ")
    assert job.found() == before


def test_texts_that_may_not_be_read(make_job: Callable[[str], Any]) -> None:
    job = make_job("embed-npy")
    job.reset()
    texts = Path(job.arguments[2])
    texts.chmod(0o000)
    assert failed(job).startswith(f"ondol: error: {texts} cannot be read: ")
    assert job.found() == job.before


def test_a_document_that_may_not_be_read_is_reported_and_the_others_are_indexed(
    make_job: Callable[[str], Any],
) -> None:
    job = make_job("index")
    (Path(job.arguments[1]) / "0.md").chmod(0o000)
    process = job.start(preexec_fn=obey_permissions)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr.decode()
    assert "skipped: 1 file: unreadable (Permission denied) (0.md)" in stderr.decode()
    assert len({path for path, _ in job.found()}) == 23
