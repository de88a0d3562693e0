"""Files that are either whole or not there, and their checksums."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ondol.errors import InputError


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_directory(out: Path) -> Iterator[Path]:
    """A new directory beside `out` to fill; renamed to `out` at the end, removed on any error.

    Raises InputError if `out` exists and is not an empty directory: nothing is overwritten.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"{out} already exists; remove it or choose another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
    try:
        # mkdtemp makes a private directory; the result is to be readable like any other.
        partial.chmod(0o777 & ~_umask())
        yield partial
        for path in sorted(partial.rglob("*")):
            if path.is_file():
                # safetensors writes files that only their owner may read.
                path.chmod(0o666 & ~_umask())
            _fsync(path)
        _fsync(partial)
        # rename replaces an empty directory on POSIX; elsewhere it has to go first.
        if out.exists():
            out.rmdir()
        partial.rename(out)
        _fsync(out.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def atomic_file(out: Path) -> Iterator[Path]:
    """A path beside `out` to write; renamed to `out` at the end, removed on any error."""
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{out.name}.partial-", dir=out.parent)
    os.close(handle)
    partial = Path(name)
    try:
        partial.chmod(0o666 & ~_umask())
        yield partial
        _fsync(partial)
        partial.replace(out)
        _fsync(out.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


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
