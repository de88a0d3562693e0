"""An index follows its folder, and survives being killed."""

import os
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from ondol.errors import IndexBusyError, IndexFormatError, IndexModelError, InputError
from ondol.search import Index, Progress, UpdateReport, update
from ondol.search.codes import signs, unpacked
from ondol.search.indexing import BATCH
from ondol.testing import FakeEmbedder

WriteFiles = Callable[[Mapping[str, str | bytes]], Path]


class CountingEmbedder(FakeEmbedder):
    """Remembers what it embedded."""

    def __init__(self) -> None:
        super().__init__(dimension=64, prompts={})
        self.embedded: list[str] = []

    def encode_document(self, sentences: str | Sequence[str], **options: Any) -> Any:
        self.embedded += sentences
        return super().encode_document(sentences, **options)


@pytest.fixture
def counting() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite3"


def settle(folder: Path) -> None:
    """Let every file be an hour old, so that its time can be trusted."""
    hour_ago = time.time() - 3600
    for path in folder.rglob("*"):
        os.utime(path, (hour_ago, hour_ago))


def content(db: Path) -> list[tuple[Any, ...]]:
    """All that an index holds, without the numbers that depend on the order of writing."""
    connection = apsw.Connection(str(db))
    rows = connection.execute(
        "SELECT path, sha256, complete, problem, position, text, headings, first, last, vector "
        "FROM files LEFT JOIN passages ON passages.file = files.id "
        "LEFT JOIN vectors ON vectors.passage = passages.id ORDER BY path, position"
    ).fetchall()
    connection.close()
    return rows


def check(db: Path) -> None:
    """SQLite and FTS5 find nothing wrong, and every passage has its vector, signs and words."""
    connection = apsw.Connection(str(db))
    assert connection.pragma("integrity_check") == "ok"
    connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    for table, key in (("vectors", "passage"), ("signs", "passage"), ("words", "rowid")):
        ids, others = (
            set(connection.execute(query).fetchall())
            for query in ("SELECT id FROM passages", f"SELECT {key} FROM {table}")
        )
        assert ids == others, table
    connection.close()


def test_only_new_and_changed_files_are_embedded(
    write_files: WriteFiles, counting: CountingEmbedder, db: Path
) -> None:
    folder = write_files({"a.txt": "사과", "b.txt": "바나나", "c/d.txt": "체리"})
    settle(folder)
    first = update(db, folder, counting)
    assert (first.indexed, first.passages, first.unchanged) == (3, 3, 0)

    write_files({"b.txt": "포도", "e.txt": "딸기"})
    (folder / "a.txt").unlink()
    counting.embedded.clear()
    second = update(db, folder, counting)
    assert counting.embedded == ["포도", "딸기"]
    assert (second.indexed, second.unchanged, second.removed) == (2, 1, 1)
    assert [(row[0], row[5]) for row in content(db)] == [
        ("b.txt", "포도"),
        ("c/d.txt", "체리"),
        ("e.txt", "딸기"),
    ]
    check(db)


def test_a_file_that_only_was_touched_is_not_embedded(
    write_files: WriteFiles, counting: CountingEmbedder, db: Path
) -> None:
    folder = write_files({"a.txt": "사과"})
    settle(folder)
    update(db, folder, counting)
    (folder / "a.txt").touch()
    counting.embedded.clear()
    report = update(db, folder, counting)
    assert counting.embedded == []
    assert (report.indexed, report.unchanged) == (0, 1)


def test_a_change_within_the_clocks_step_is_seen(
    write_files: WriteFiles, model: FakeEmbedder, db: Path
) -> None:
    folder = write_files({"a.txt": "사과"})
    time_of_first = (folder / "a.txt").stat().st_mtime_ns
    update(db, folder, model)
    write_files({"a.txt": "포도"})  # as many bytes
    os.utime(folder / "a.txt", ns=(time_of_first, time_of_first))
    assert update(db, folder, model).indexed == 1


def test_what_gives_no_text_is_reported_with_the_reason_each_time(
    write_files: WriteFiles, model: FakeEmbedder, db: Path
) -> None:
    files: dict[str, str | bytes] = {
        "zero.txt": b"\0\1\2",
        "empty.md": " \n",
        "latin.txt": "don’t – “quoted”".encode("cp1252"),
        "large.txt": b"a" * 10_000_001,
        "picture.png": b"\x89PNG",
        "good.txt": "사과",
    }
    folder = write_files(files)
    settle(folder)
    for _ in range(2):
        report = update(db, folder, model)
        assert report.skipped == {
            "binary": 1,
            "no text": 1,
            "encoding is none of UTF-8, UTF-16 with a mark, and CP949": 1,
            "larger than 10 MB": 1,
        }
        assert report.examples["binary"] == "zero.txt"
        assert report.other == {".png": 1}
    write_files({"zero.txt": "이제는 글이다"})
    assert update(db, folder, model).indexed == 1


def test_a_file_that_may_not_be_read_is_tried_again(
    write_files: WriteFiles, model: FakeEmbedder, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    folder = write_files({"a.txt": "사과"})
    settle(folder)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refuse)  # root may read every file
        assert update(db, folder, model).skipped == {"unreadable (Permission denied)": 1}
    assert update(db, folder, model).indexed == 1


def test_a_name_that_macos_decomposed_is_shown_composed(
    write_files: WriteFiles, model: FakeEmbedder, db: Path
) -> None:
    folder = write_files({unicodedata.normalize("NFD", "여행.txt"): "사과"})
    update(db, folder, model)
    with Index.open(db, model) as index:
        (hit,) = index.search("사과")
    assert hit.file == "여행.txt"
    assert hit.path.read_text("utf-8") == "사과"


def test_the_index_of_another_folder_or_model_is_refused(
    write_files: WriteFiles, model: FakeEmbedder, db: Path, tmp_path: Path
) -> None:
    folder = write_files({"a.txt": "사과"})
    update(db, folder, model, bundle="bundles/e5")
    with pytest.raises(InputError, match=r"is the index of .*documents, not of"):
        update(db, tmp_path, model)
    with pytest.raises(IndexModelError, match=r"dimension '32' instead of '64'.*bundles/e5"):
        update(db, folder, FakeEmbedder(dimension=32, prompts={}))
    with pytest.raises(InputError, match="not a directory"):
        update(tmp_path / "other.sqlite3", tmp_path / "none", model)
    assert not (tmp_path / "other.sqlite3").exists()


def test_index_and_folder_can_be_moved_together(
    write_files: WriteFiles, model: FakeEmbedder, tmp_path: Path
) -> None:
    folder = write_files({"a.txt": "사과"})
    settle(folder)
    update(folder / ".ondol.sqlite3", folder, model)
    moved = folder.rename(tmp_path / "moved")
    assert update(moved / ".ondol.sqlite3", moved, model).unchanged == 1


def test_a_file_that_was_left_empty_becomes_an_index(
    write_files: WriteFiles, model: FakeEmbedder, tmp_path: Path
) -> None:
    db = tmp_path / "new" / "index.sqlite3"
    db.parent.mkdir()
    db.touch()
    assert update(db, write_files({"a.txt": "사과"}), model).indexed == 1


def test_another_programs_database_is_left_alone(
    write_files: WriteFiles, model: FakeEmbedder, db: Path
) -> None:
    connection = apsw.Connection(str(db))
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    before = db.read_bytes()
    with pytest.raises(IndexFormatError, match="no index of ondol"):
        update(db, write_files({"a.txt": "사과"}), model)
    assert db.read_bytes() == before


def test_progress_rises_inside_a_file_and_ends_at_the_total(
    write_files: WriteFiles, model: FakeEmbedder, db: Path
) -> None:
    long = "\n\n".join(f"# {n}" for n in range(2 * BATCH))
    folder = write_files({"a.md": long, "b.txt": b"\0", "c.txt": "사과"})
    seen: list[Progress] = []
    update(db, folder, model, report_progress=seen.append)
    total = len(long) + 1 + 6
    assert (seen[-1].done, seen[-1].total, seen[-1].passages) == (total, total, 2 * BATCH + 1)
    assert seen[0].done == len(long) // 2
    assert [one.done for one in seen] == sorted(one.done for one in seen)


def test_the_centre_of_the_signs_is_the_mean_when_passages_have_doubled(
    write_files: WriteFiles, model: FakeEmbedder, db: Path
) -> None:
    folder = write_files({f"{n}.txt": f"글 {n}" for n in range(2 * BATCH)})
    update(db, folder, model)
    connection = apsw.Connection(str(db))
    rows = connection.execute(
        "SELECT vector, bits FROM vectors JOIN signs USING (passage)"
    ).fetchall()
    vectors = unpacked([vector for vector, _ in rows], 64)
    assert [bits for _, bits in rows] == [row.tobytes() for row in signs(vectors, vectors.mean(0))]
    assert not np.array_equal(signs(vectors, vectors.mean(0)), signs(vectors, np.zeros(64)))


#: Indexes argv[1] in argv[2] with a model that takes its time.
_SLOW = """
import sys, time
from pathlib import Path
from ondol.search import update
from ondol.testing import FakeEmbedder

class Slow(FakeEmbedder):
    def encode_document(self, sentences, **options):
        time.sleep(0.05)
        return super().encode_document(sentences, **options)

update(Path(sys.argv[2]), Path(sys.argv[1]), Slow(dimension=64, prompts={}),
       report_progress=lambda progress: print(progress.passages, flush=True))
"""


def start(folder: Path, db: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(folder), str(db)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_killed_again_and_again_it_comes_to_the_same_end(
    write_files: WriteFiles, counting: CountingEmbedder, db: Path, tmp_path: Path
) -> None:
    long = "\n\n".join(f"# {n}\n\n글 {n}" for n in range(5 * BATCH))
    folder = write_files(
        {"long.md": long, **{f"{n}.txt": f"짧은 글 {n}" for n in range(BATCH)}, "zero.txt": b"\0"}
    )
    settle(folder)
    whole = tmp_path / "whole.sqlite3"
    update(whole, folder, counting)

    for passages in (BATCH, 2 * BATCH, BATCH):
        with start(folder, db) as process:
            assert process.stdout is not None
            # Killed at once, or while the next transaction is being written.
            while int(process.stdout.readline()) < passages:
                pass
            time.sleep(0.03 * (passages // BATCH))
            process.send_signal(signal.SIGKILL)
        check(db)
    done = len([row for row in content(db) if row[9] is not None])
    assert 4 * BATCH <= done < 6 * BATCH

    counting.embedded.clear()
    report = update(db, folder, counting)
    assert len(counting.embedded) == report.passages == 6 * BATCH - done
    assert content(db) == content(whole)
    check(db)


def test_two_at_once_do_not_spoil_the_index(
    write_files: WriteFiles, model: FakeEmbedder, db: Path, tmp_path: Path
) -> None:
    long = "\n\n".join(f"# {n}" for n in range(3 * BATCH + 9))
    folder = write_files({"long.md": long, **{f"{n}.txt": f"글 {n}" for n in range(3 * BATCH)}})
    settle(folder)
    both = [start(folder, db), start(folder, db)]
    errors = [process.communicate(timeout=60)[1] for process in both]
    assert 0 in [process.returncode for process in both]
    for process, error in zip(both, errors, strict=True):
        assert process.returncode == 0 or "another process is writing" in error
    check(db)
    report: UpdateReport = update(db, folder, model)
    assert report.passages == 0
    assert len(content(db)) == 6 * BATCH + 9


def test_a_second_writer_that_replaced_a_file_is_noticed(write_files: WriteFiles, db: Path) -> None:
    class Interrupted(FakeEmbedder):
        """Another update rewrites the file between the first's two transactions."""

        calls = 0

        def encode_document(self, sentences: str | Sequence[str], **options: Any) -> Any:
            Interrupted.calls += 1
            if Interrupted.calls == 2:
                (folder / "long.md").write_text("새 글")
                update(db, folder, FakeEmbedder(dimension=64, prompts={}))
            return super().encode_document(sentences, **options)

    folder = write_files({"long.md": "\n\n".join(f"# {n}" for n in range(BATCH + 1))})
    with pytest.raises(IndexBusyError):
        update(db, folder, Interrupted(dimension=64, prompts={}))
    assert [row[5] for row in content(db)] == ["새 글"]
    check(db)
