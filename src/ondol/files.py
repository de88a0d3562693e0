"""Files that are either whole or not there, and their checksums."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ondol.errors import InputError
from ondol.partial import partial_directory, partial_file


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_directory(out: Path) -> Iterator[Path]:
    """A new directory beside `out` to fill; renamed to `out` at the end, removed on any error.

    Raises InputError if `out` exists and is not an empty directory: nothing is overwritten.
    Raises OutputError as `partial_directory`.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise _taken(out)
    with partial_directory(out) as partial:
        yield partial
        for path in sorted(partial.rglob("*")):
            if path.is_file():
                # safetensors writes files that only their owner may read.
                path.chmod(0o666 & ~_umask())
            _fsync(path)
        _fsync(partial)
        try:
            # rename replaces an empty directory on POSIX; elsewhere it has to go first.
            if out.exists():
                out.rmdir()
            partial.rename(out)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            raise _taken(out) from error  # since the beginning
        _fsync(out.parent)


@contextmanager
def atomic_file(out: Path) -> Iterator[Path]:
    """A path beside `out` to write; renamed to `out` at the end, removed on any error.

    Raises OutputError as `partial_file`.
    """
    with partial_file(out) as partial:
        yield partial
        _fsync(partial)
        partial.replace(out)
        _fsync(out.parent)


def _taken(out: Path) -> InputError:
    return InputError(f"{out} already exists; remove it or choose another --out")


def _umask() -> int:
    # There is no call that only reads it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _fsync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle for a directory's entries.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
