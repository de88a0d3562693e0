"""What may not be read or written is said in one line, and nothing else changes."""

import ctypes
import os
import subprocess
from collections.abc import Callable
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


@pytest.mark.parametrize("name", ["prune", "embed-npy", "pull"])
def test_a_folder_that_may_not_be_written(make_job: Callable[[str], Any], name: str) -> None:
    job = make_job(name)
    job.folder.chmod(0o555)
    assert job.fail(preexec_fn=obey_permissions) == (
        f"ondol: error: cannot write into {job.folder}: Permission denied; choose another place "
        f"for {job.out.name}"
    )
    assert list(job.folder.iterdir()) == []


def test_an_index_that_may_not_be_made(make_job: Callable[[str], Any]) -> None:
    job = make_job("index")
    job.folder.chmod(0o555)
    assert job.fail(preexec_fn=obey_permissions).startswith(
        f"ondol: error: cannot read or write {job.out}: "
    )


def test_an_index_that_may_not_be_written(make_job: Callable[[str], Any]) -> None:
    job = make_job("index")
    job.finish()
    before = job.found()
    (Path(job.arguments[1]) / "new.md").write_text("새 글")
    job.out.chmod(0o444)
    assert job.fail(preexec_fn=obey_permissions).startswith(
        f"ondol: error: cannot read or write {job.out}: "
    )
    assert job.found() == before


def test_texts_that_may_not_be_read(make_job: Callable[[str], Any]) -> None:
    job = make_job("embed-npy")
    job.reset()
    texts = Path(job.arguments[2])
    texts.chmod(0o000)
    assert job.fail(preexec_fn=obey_permissions).startswith(
        f"ondol: error: {texts} cannot be read: "
    )
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
