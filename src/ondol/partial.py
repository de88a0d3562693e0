"""Unfinished files and directories beside their targets, and those that killed processes left.

An unfinished one is named `.NAME.partial-` and 16 digits, and its process holds a lock on it, of
flock(2), which the kernel releases however the process ends: one that can be locked is nobody's. A
process number in the name would not tell: it is given again, and means another process in a
container that shares the folder.
"""

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ondol.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows, where leftovers stay
    fcntl = None  # type: ignore[assignment]

#: What stands behind the prefix.
_SUFFIX = re.compile(r"[0-9a-f]{16}")

#: The disk is full, the user's share of it is, or the file is larger than the process may write.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

#: All that numpy's ndarray.tofile says then, which np.save and gguf use: it gives no number.
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")


@contextmanager
def partial_directory(out: Path) -> Iterator[Path]:
    """A new directory beside `out`, to fill and rename; removed on any error.

    What killed processes have left of the same `out` is removed first.

    Raises OutputError if it cannot be made, or if there is no room for what it gets.
    """
    with _partial(out, directory=True) as partial:
        yield partial


@contextmanager
def partial_file(out: Path) -> Iterator[Path]:
    """A new empty file beside `out`, otherwise as `partial_directory`."""
    with _partial(out, directory=False) as partial:
        yield partial


@contextmanager
def _partial(out: Path, *, directory: bool) -> Iterator[Path]:
    unfinished = _Unfinished(out)
    try:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(out)
            unfinished.make(directory=directory)
        except OSError as error:
            raise OutputError(
                f"cannot write into {out.parent}: {error.strerror}; choose another place for "
                f"{out.name}"
            ) from error
        yield unfinished.path
    except BaseException as error:
        reason = _reason(error, gone=not unfinished.path.exists())
        _remove(unfinished.path)
        if reason is None:
            raise
        raise OutputError(f"{out} was not written: {reason}") from error
    finally:
        unfinished.release()


class _Unfinished:
    """A file or directory that is being written, and the lock on it.

    Attributes:
        path: known before it is made, so that a signal does not come between the two. Its name is
            too long for another process to have the same.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._lock: int | None = None  # a file descriptor
        self.path = self._new_path()

    def make(self, *, directory: bool) -> None:
        """Make it, empty. Raises OSError."""
        while not self._begin(directory=directory):
            self.release()
            self.path = self._new_path()

    def release(self) -> None:
        """Give up the lock. Calling it again does nothing."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _new_path(self) -> Path:
        return self._out.with_name(_prefix(self._out) + os.urandom(8).hex())

    def _begin(self, *, directory: bool) -> bool:
        """False if another process took it for a leftover, which it is until it is locked."""
        self.path.mkdir() if directory else self.path.touch(exist_ok=False)
        if fcntl is None:
            return True
        try:
            self._lock = os.open(self.path, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (FileNotFoundError, BlockingIOError):
            return False
        except OSError:  # a file system without locks
            return True
        return self.path.exists()


def _reason(error: BaseException, *, gone: bool) -> str | None:
    """What is wrong with the place, and what to do; None if the error is of another kind.

    gone: what was being written is not there any more.
    """
    if not isinstance(error, OSError):
        return None
    if error.errno in _NO_ROOM:
        return f"{error.strerror}; make room, or choose another place"
    if error.errno is None and _SHORT_WRITE.search(str(error)):
        return f"a file stayed too short ({error}); make room, or choose another place"
    if gone and isinstance(error, FileNotFoundError):
        return "what was being written beside it has been removed; run it again"
    return None


def _remove_leftovers(out: Path) -> None:
    """Remove what killed processes have left of `out`, and nothing that a live one is writing."""
    if fcntl is None:
        return
    prefix = _prefix(out)
    for path in list(out.parent.iterdir()):
        if path.name.startswith(prefix) and _SUFFIX.fullmatch(path.name.removeprefix(prefix)):
            # Of another user, on a file system without locks, or gone by now: it may stay.
            with contextlib.suppress(OSError):
                _remove_if_left(path)


def _remove_if_left(path: Path) -> None:
    if not stat.S_ISDIR(mode := path.lstat().st_mode) and not stat.S_ISREG(mode):
        return  # ondol makes no others, and to open a pipe would wait
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _prefix(out: Path) -> str:
    return f".{out.name}.partial-"
