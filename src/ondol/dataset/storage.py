"""Files behind fsspec URLs. What is written appears whole or not at all."""

import contextlib
import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ondol.errors import InputError, MissingDependencyError
from ondol.files import atomic_file

#: In the name of a file that is being written, as in `ondol.files`.
_PARTIAL = ".partial-"


def locate(url: str) -> tuple[Any, str]:
    """The file system of a URL or path, and the absolute path there.

    Raises MissingDependencyError without fsspec, InputError for a protocol that is unknown or
    whose own package is missing.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingDependencyError("embed-dataset", "fsspec", "dataset") from error
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise InputError(f"{url} cannot be opened: {error}") from error
    return system, path


def absolute_url(url: str) -> str:
    """The same place for another working directory and another machine."""
    system, path = locate(url)
    return str(system.unstrip_protocol(path))


class Written:
    """A file that is written front to back, with the length and checksum of what it got."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.bytes = 0
        self.closed = False  # pyarrow asks

    def write(self, content: Any) -> int:
        """content: bytes, or a buffer of them."""
        self._digest.update(content)
        self.bytes += memoryview(content).nbytes
        self._file.write(content)
        return memoryview(content).nbytes

    def flush(self) -> None:
        """Of no use before the end."""

    def tell(self) -> int:
        """Bytes so far."""
        return self.bytes

    def close(self) -> None:
        """Does nothing: whoever opened it closes it."""

    @property
    def sha256(self) -> str:
        """Of what was written so far, as 64 hexadecimal digits."""
        return self._digest.hexdigest()


@dataclass(frozen=True)
class Folder:
    """A folder of any file system. url: absolute."""

    url: str

    @contextlib.contextmanager
    def write(self, name: str) -> Iterator[Written]:
        """A file to fill. It gets its name at the end, and on any error it is removed.

        name: with "/" between its parts.
        """
        system, root = locate(self.url)
        if _is_local(system):
            with atomic_file(Path(root, name)) as partial, partial.open("wb") as file:
                yield Written(file)
            return
        path = f"{root.rstrip('/')}/{name}"
        parent, _, last = path.rpartition("/")
        system.makedirs(parent, exist_ok=True)
        partial_path = f"{parent}/.{last}{_PARTIAL}{uuid.uuid4().hex}"
        try:
            with system.open(partial_path, "wb") as file:
                yield Written(file)
            system.mv(partial_path, path)
        except BaseException:
            with contextlib.suppress(OSError):
                system.rm_file(partial_path)
            raise

    def read(self, name: str) -> bytes | None:
        """A whole file; None if there is none."""
        system, root = locate(self.url)
        try:
            content: bytes = system.cat_file(f"{root.rstrip('/')}/{name}")
        except FileNotFoundError:
            return None
        return content

    def read_all(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Many small files, where the file system can at the same time."""
        if not names:
            return {}
        system, root = locate(self.url)
        paths = {f"{root.rstrip('/')}/{name}": name for name in names}
        return {paths[path]: content for path, content in system.cat(list(paths)).items()}

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if there is none."""
        system, root = locate(self.url)
        system.invalidate_cache()
        try:
            return int(system.info(f"{root.rstrip('/')}/{name}")["size"])
        except FileNotFoundError:
            return None

    def sizes(self) -> Mapping[str, int]:
        """Bytes of every file below it, by name with "/" between its parts; empty without it."""
        system, root = locate(self.url)
        system.invalidate_cache()
        found = system.find(root, detail=True)
        skipped = len(root.rstrip("/")) + 1
        return {path[skipped:]: int(info["size"]) for path, info in found.items()}

    def remove_partial(self, of: str = "") -> None:
        """Take away what killed runs left half-written. of: only what was to get this name."""
        system, root = locate(self.url)
        for name in self.sizes():
            last = name.rpartition("/")[2]
            if last.startswith(f".{of}") and _PARTIAL in last:
                # Another run may have ended with it meanwhile.
                with contextlib.suppress(FileNotFoundError):
                    system.rm_file(f"{root.rstrip('/')}/{name}")


def _is_local(system: Any) -> bool:
    protocol = system.protocol
    return "file" in ((protocol,) if isinstance(protocol, str) else protocol)
