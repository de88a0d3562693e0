"""What is gone when it is needed, or goes meanwhile."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ondol.cli.embed import WINDOW
from ondol.search import Progress, update
from ondol.testing import FakeEmbedder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("embed-npy", "texts.txt: there is no such file"),
        ("index", "documents is not a directory; expected a folder to index"),
        ("prune", "checkpoint' is neither a directory nor a hub id"),
    ],
)
def test_what_is_to_be_read_is_gone(
    make_job: Callable[[str], Any], name: str, message: str
) -> None:
    job = make_job(name)
    gone = Path(job.arguments[2] if name == "embed-npy" else job.arguments[1])
    gone.rename(gone.with_name("elsewhere"))
    assert message in job.fail()
    assert list(job.folder.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed")
def test_the_folder_of_the_result_goes_meanwhile(make_job: Callable[[str], Any]) -> None:
    job = make_job("embed-npy")
    job.arguments = ["embed", "--out", str(job.out)]
    process = job.start(stdin=subprocess.PIPE)
    process.stdin.write("글\n".encode() * WINDOW)
    process.stdin.flush()
    job.wait_until(lambda: any(path.stat().st_size for path in job.folder.iterdir()))
    shutil.rmtree(job.folder)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.decode() == (
        f"ondol: error: {job.out} was not written: what was being written beside it has been "
        "removed; run it again\n"
    )


def test_a_document_that_goes_meanwhile_is_reported_and_then_forgotten(tmp_path: Path) -> None:
    folder, db = tmp_path / "documents", tmp_path / "index.sqlite3"
    folder.mkdir()
    for name in ("a.txt", "b.txt", "c.txt"):
        (folder / name).write_text(name)

    def remove(progress: Progress) -> None:
        (folder / "b.txt").unlink(missing_ok=True)

    model = FakeEmbedder(dimension=64, prompts={})
    report = update(db, folder, model, report_progress=remove)
    assert report.indexed == 2
    assert report.examples == {"unreadable (No such file or directory)": "b.txt"}
    report = update(db, folder, model)
    assert (report.removed, report.skipped) == (1, {})
