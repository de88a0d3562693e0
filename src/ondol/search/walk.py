"""The files of a folder that an index looks at."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ondol.errors import InputError, MissingDependencyError

#: Files whose patterns leave out paths, in any folder (gitignore(5)).
_IGNORE_FILE = ".gitignore"


@dataclass(frozen=True)
class Found:
    """A file, or a folder that cannot be read.

    Attributes:
        path: below the folder, with "/" between, as the file system spells it.
        bytes, mtime_ns: as they were when it was found.
        problem: why it cannot be looked at; "" if it can.
    """

    path: str
    bytes: int
    mtime_ns: int
    problem: str = ""


def walk(folder: Path) -> Iterator[Found]:
    """Files in the order of their paths. Left out are hidden ones (a name with a dot before it),
    what a .gitignore leaves out, symbolic links, and anything that is no ordinary file.

    Raises InputError if `folder` is no directory, MissingDependencyError without pathspec.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a directory; expected a folder to index")
    yield from _walk(folder, "", ())


def _walk(folder: Path, prefix: str, rules: tuple[tuple[str, Any], ...]) -> Iterator[Found]:
    try:
        with os.scandir(folder / prefix) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except OSError as error:
        yield Found(prefix.rstrip("/"), 0, 0, f"unreadable ({error.strerror})")
        return
    if any(entry.name == _IGNORE_FILE for entry in entries):
        rules = (*rules, (prefix, _rules(folder / prefix / _IGNORE_FILE)))
    for entry in entries:
        path = prefix + entry.name
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        try:
            path.encode("utf-8")
        except UnicodeEncodeError:
            readable = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            yield Found(readable, 0, 0, "its name is not valid Unicode")
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        if _ignored(path + "/" * is_folder, rules):
            continue
        if is_folder:
            yield from _walk(folder, path + "/", rules)
        elif entry.is_file(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            yield Found(path, status.st_size, status.st_mtime_ns)


def _ignored(path: str, rules: tuple[tuple[str, Any], ...]) -> bool:
    """By the innermost folder's patterns that say anything of the path."""
    for prefix, patterns in reversed(rules):
        included = patterns.check_file(path[len(prefix) :]).include
        if included is not None:
            return bool(included)
    return False


def _rules(path: Path) -> Any:
    try:
        from pathspec import GitIgnoreSpec
    except ImportError as error:
        raise MissingDependencyError("reading .gitignore", "pathspec", "search") from error
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return GitIgnoreSpec.from_lines(lines)
