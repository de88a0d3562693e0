"""An index whose content was changed is found damaged, and its paths lead nowhere else."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

import apsw
import pytest

from ondol.errors import IndexDamagedError
from ondol.search import Index, update
from ondol.search.indexing import is_below_root
from ondol.testing import FakeEmbedder

WriteFiles = Callable[[Mapping[str, str | bytes]], Path]

#: What SQLite takes without a word.
CHANGES = {
    "no settings": "DELETE FROM settings",
    "no table of settings": "DROP TABLE settings",
    "settings are no JSON": "UPDATE settings SET value = '{'",
    "settings nest too deep": (
        "UPDATE settings SET value = replace(hex(zeroblob(100000)), '0', '[')"
    ),
    "identity is no object": "UPDATE settings SET value = '[]' WHERE name = 'identity'",
    "centre of another width": "UPDATE settings SET value = '[1.0]' WHERE name = 'centre'",
    "centre of words": """UPDATE settings SET value = '["a"]' WHERE name = 'centre'""",
    "root is a number": "UPDATE settings SET value = '1' WHERE name = 'root'",
    "no passages": "DELETE FROM passages",
    "no files": "PRAGMA foreign_keys = OFF; DELETE FROM files",
    "text is bytes": "UPDATE passages SET text = x'FF'",
    "text is no UTF-8": "UPDATE passages SET text = CAST(x'FF' AS TEXT)",
    "headings are no list": """UPDATE passages SET headings = '{"a": 1}'""",
    "start is a word": "UPDATE passages SET start = 'a'",
    "line is a word": "UPDATE passages SET first = 'a'",
    "unit is unknown": "UPDATE files SET unit = 'league'",
    "path leads out": "UPDATE files SET path = '../../' || path",
    "path is absolute": "UPDATE files SET path = '/etc/' || path",
    "vectors are cut": "UPDATE vectors SET vector = substr(vector, 1, 7)",
    "vectors are words": "UPDATE vectors SET vector = 'a'",
    "vectors are NULL": "DROP TABLE vectors; CREATE TABLE vectors AS SELECT passage, NULL AS vector"
    " FROM signs",
    "vectors are NaN": "UPDATE vectors SET vector = unhex(replace(hex(zeroblob(128)), '0', 'F'))",
    "signs are cut": "UPDATE signs SET bits = substr(bits, 1, 1)",
    "signs are huge": "UPDATE signs SET bits = zeroblob(10000000)",
    "no words": "DROP TABLE words",
    "words of a damaged kind": "DELETE FROM words_data",
    "another table for words": "DROP TABLE words; CREATE TABLE words (terms)",
}


def _search(db: Path, model: FakeEmbedder) -> None:
    with Index.open(db, model) as index:
        index.search("사과 나무")
        index.stats()


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_content_that_no_update_writes(
    write_files: WriteFiles, model: FakeEmbedder, tmp_path: Path, change: str
) -> None:
    folder = write_files({"a.md": "# 나무\n\n사과 나무", "b.md": "시장 소식"})
    db = tmp_path / "index.sqlite3"
    update(db, folder, model)
    connection = apsw.Connection(str(db))
    connection.execute(change)
    connection.close()
    with pytest.raises(IndexDamagedError, match="remove it and index again"):
        _search(db, model)
    # An update does not look at every row; what it sees is the same error.
    with contextlib.suppress(IndexDamagedError):
        update(db, folder, model)


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("a.md", True),
        ("a/b..c/d.txt", True),
        ("", False),
        ("..", False),
        ("a/../../b.txt", False),
        ("/a.txt", False),
        ("a\0.txt", False),
        (b"a.txt", False),
        (None, False),
    ],
)
def test_a_path_stays_below_the_folder(path: object, below: bool) -> None:
    assert is_below_root(path) is below
