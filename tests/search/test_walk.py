"""Which files of a folder are looked at."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ondol.errors import InputError
from ondol.search.walk import walk

WriteFiles = Callable[[Mapping[str, str | bytes]], Path]


def found(folder: Path) -> list[str]:
    return [one.path for one in walk(folder)]


def test_all_files_below_in_order_with_size_and_time(write_files: WriteFiles) -> None:
    folder = write_files({"b.txt": "둘", "a/c.txt": "하나"})
    assert found(folder) == ["a/c.txt", "b.txt"]
    (_, b) = walk(folder)
    assert (b.bytes, b.mtime_ns) == (3, (folder / "b.txt").stat().st_mtime_ns)


def test_hidden_files_and_folders_are_left_out(write_files: WriteFiles) -> None:
    assert found(write_files({".a.txt": "", ".git/b.txt": "", "c.txt": ""})) == ["c.txt"]


def test_gitignore_of_every_folder_holds_below_it(write_files: WriteFiles) -> None:
    folder = write_files(
        {
            ".gitignore": "build/\n*.log\n/top.txt\n",
            "build/a.txt": "",
            "b.log": "",
            "top.txt": "",
            "sub/top.txt": "",
            "sub/.gitignore": "!b.log\nc.txt\n",
            "sub/b.log": "",
            "sub/c.txt": "",
            "c.txt": "",
        }
    )
    assert found(folder) == ["c.txt", "sub/b.log", "sub/top.txt"]


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_links_are_not_followed(write_files: WriteFiles, tmp_path: Path) -> None:
    folder = write_files({"a.txt": "", "sub/b.txt": ""})
    (folder / "link.txt").symlink_to(folder / "a.txt")
    (folder / "sub" / "loop").symlink_to(folder)
    assert found(folder) == ["a.txt", "sub/b.txt"]


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_unicode_is_reported(write_files: WriteFiles) -> None:
    folder = write_files({"a.txt": ""})
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff.txt"))).touch()
    _, odd = walk(folder)
    assert odd.problem == "its name is not valid Unicode"
    assert odd.path == "\ufffd.txt"


def test_a_file_is_no_folder(write_files: WriteFiles) -> None:
    folder = write_files({"a.txt": ""})
    with pytest.raises(InputError, match="expected a folder to index"):
        found(folder / "a.txt")
