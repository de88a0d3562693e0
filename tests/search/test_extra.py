"""Without the packages of the extra, each step says which one it needs."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ondol.errors import MissingDependencyError
from ondol.search import words
from ondol.search.database import create
from ondol.search.readers import read
from ondol.search.walk import walk

STEPS: dict[str, Callable[[Path], object]] = {
    "apsw": lambda folder: create(folder / "i.sqlite3", {}),
    "sqlite_vec": lambda folder: create(folder / "i.sqlite3", {}),
    "markdown_it": lambda folder: read("markdown", b"a"),
    "lxml": lambda folder: read("html", b"a"),
    "pypdf": lambda folder: read("pdf", b"a"),
    "docx": lambda folder: read("docx", b"a"),
    "pathspec": lambda folder: list(walk(folder)),
    "snowballstemmer": lambda folder: words.indexed("unusual"),
}


@pytest.mark.parametrize("module", STEPS)
def test_a_missing_package_is_named(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitignore").touch()
    monkeypatch.setitem(sys.modules, module, None)  # importing it fails
    words._stem.cache_clear()
    words._stemmer.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"pip install 'ondol\[search\]'"):
        STEPS[module](tmp_path)
