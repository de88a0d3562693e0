"""Bring an index up to date with its folder; whatever has been written stays if it is stopped."""

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ondol.errors import InputError
from ondol.search.codes import packed, signs, unpacked
from ondol.search.compatibility import check_model
from ondol.search.database import (
    connect,
    create,
    read_settings,
    reported,
    transaction,
    understood,
    write_setting,
)
from ondol.search.document import Unit, UnreadableError
from ondol.search.model import Model
from ondol.search.passages import OVERLAP_TOKENS, PASSAGE_TOKENS, Passage, passages
from ondol.search.readers import kind_of, largest, read
from ondol.search.walk import Found, walk
from ondol.search.words import indexed

if TYPE_CHECKING:
    import apsw

#: Passages that are embedded and written together: what a kill costs, at most.
BATCH = 32

#: Small changes that are one transaction.
_CHANGES = 256

#: Passages whose mean is the centre for good: more would take memory, and move it no further.
_SETTLED = 50_000

#: Nanoseconds within which a file can change twice and keep its time, on old file systems.
_CLOCK_STEP_NS = 2_000_000_000


@dataclass
class UpdateReport:
    """What an update did.

    Attributes:
        indexed: files that were new or had changed.
        unchanged, removed: files that were in the index before.
        passages: that were embedded.
        skipped: files without text, by reason; those of an earlier update too.
        examples: for each reason the path of the first.
        other: files that no reader takes, by suffix.
        seconds: that it took.
    """

    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    other: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def skip(self, path: str, reason: str) -> None:
        """Count a file."""
        self.skipped[reason] += 1
        self.examples.setdefault(reason, path)


@dataclass(frozen=True)
class Progress:
    """Where an update stands.

    Attributes:
        done, total: bytes of the files that are new or may have changed.
        passages: embedded so far.
    """

    done: int
    total: int
    passages: int


@dataclass
class _File:
    """A file that is being read.

    Attributes:
        passages: how many it has.
        id: its row, once there is one.
        replaces: the row of its former content.
    """

    found: Found
    sha256: str
    unit: Unit
    passages: int
    id: int | None
    replaces: int | None


@dataclass(frozen=True)
class _Known:
    """A row of the files as it was when the update began."""

    id: int
    bytes: int
    mtime_ns: int
    sha256: str
    complete: bool
    problem: str | None


@dataclass(frozen=True)
class _Piece:
    """A passage on its way."""

    file: _File
    position: int
    passage: Passage

    @property
    def last(self) -> bool:
        """Whether the file is complete with it."""
        return self.position == self.file.passages - 1

    @property
    def bytes_done(self) -> int:
        """The file's bytes up to here, about."""
        return self.file.found.bytes * (self.position + 1) // self.file.passages


def update(
    path: Path,
    folder: Path,
    model: Model,
    *,
    bundle: str | None = None,
    report_progress: Callable[[Progress], object] = lambda progress: None,
) -> UpdateReport:
    """Index the files below `folder` in the file `path`, which is made if it is not there.

    A file is read again if its size or time has changed, and embedded again if its content has.
    Files that are gone are taken out. Every BATCH passages are one transaction: an update that is
    stopped, or killed, goes on where it was.

    Args:
        model: embeds the passages; the index can be searched with it alone.
        bundle: where the model is, for the messages of a later search with another one.
        report_progress: called after every file and every transaction.

    Raises InputError if `folder` is no directory, or not the one the index was made of;
    IndexModelError for another model than the index was made with; IndexBusyError if another update
    is at work on it; other SearchErrors as `connect`.
    """
    started = time.monotonic()
    folder = folder.resolve()
    if not folder.is_dir():
        raise InputError(f"{folder} is not a directory; expected a folder to index")
    create(
        path,
        {
            "identity": dict(model.identity),
            "variant": model.variant,
            "bundle": bundle,
            "root": _relative(folder, path),
            "centre": None,
            "centred_at": 0,
            "updated": None,
        },
    )
    with reported(path):
        connection = connect(path)
        try:
            run = _Update(connection, path, folder, model, report_progress)
            run.run()
        finally:
            connection.close()
    run.report.seconds = time.monotonic() - started
    return run.report


def root_of(path: Path, settings: dict[str, Any]) -> Path:
    """The folder that an index was made of. It is stored as seen from the index file, so that both
    can be moved together.
    """
    relative: str = settings["root"]
    return (path.resolve().parent / relative).resolve()


def is_below_root(path: object) -> bool:
    """Whether a file's path, as an index has it, stays below the folder that was indexed. An index
    may come from elsewhere, and the page opens files by it.
    """
    if not isinstance(path, str) or "\0" in path:
        return False
    # Drives and backslashes lead elsewhere on Windows; elsewhere they are letters of a name.
    pure = PureWindowsPath(path) if os.name == "nt" else PurePosixPath(path)
    return bool(pure.parts) and not pure.anchor and ".." not in pure.parts


def _relative(folder: Path, path: Path) -> str:
    try:
        return Path(os.path.relpath(folder, path.resolve().parent)).as_posix()
    except ValueError:  # Windows: another drive
        return str(folder)


class _Update:
    """One update under way."""

    def __init__(
        self,
        connection: "apsw.Connection",
        path: Path,
        folder: Path,
        model: Model,
        report_progress: Callable[[Progress], object],
    ) -> None:
        self.report = UpdateReport()
        self._connection = connection
        self._path = path
        self._folder = folder
        self._model = model
        self._report_progress = report_progress
        self._done = self._total = 0
        self._known: dict[str, _Known] = {}
        self._changes: list[Callable[[], object]] = []
        settings = read_settings(connection)
        check_model(path, settings, model)
        root = root_of(path, settings)
        if root != folder:
            raise InputError(
                f"{path} is the index of {root}, not of {folder}; name another file with --db"
            )
        # Until there are passages, nothing is taken off.
        self._centre = np.array(settings["centre"] or [0.0] * model.dimension, dtype=np.float32)
        self._centred_at = int(settings["centred_at"])

    def run(self) -> None:
        """Do it all."""
        with understood(self._path):
            rows = self._connection.execute(
                "SELECT path, id, bytes, mtime_ns, sha256, complete, problem FROM files"
            )
            self._known = {path: _Known(*values) for path, *values in rows}
            if outside := [path for path in self._known if not is_below_root(path)]:
                raise ValueError(f"it has the path {outside[0]!r:.200}")
        seen: set[str] = set()
        to_read: list[Found] = []
        for found in walk(self._folder):
            if found.problem:
                self.report.skip(found.path, found.problem)
                # What cannot be looked into now is not gone.
                seen |= {path for path in self._known if path.startswith(found.path + "/")}
            elif kind_of(Path(found.path)) is None:
                self.report.other[Path(found.path).suffix.lower()] += 1
            else:
                seen.add(found.path)
                before = self._known.get(found.path)
                if before is not None and _same(found, before):
                    self._count_unchanged(found.path, before.problem)
                else:
                    to_read.append(found)
        for path, gone in self._known.items():
            if path not in seen:
                self._later(partial(_delete, self._connection, gone.id))
                self.report.removed += 1
        self._total = sum(found.bytes for found in to_read)
        self._embed(to_read)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._later(partial(write_setting, self._connection, "updated", now))
        self._flush()

    def _count_unchanged(self, path: str, problem: str | None) -> None:
        if problem is None:
            self.report.unchanged += 1
        else:
            self.report.skip(path, problem)

    def _later(self, change: Callable[[], object]) -> None:
        """Make a small change together with others: each transaction waits for the disk."""
        self._changes.append(change)
        if len(self._changes) == _CHANGES:
            self._flush()

    def _flush(self) -> None:
        with transaction(self._connection):
            for change in self._changes:
                change()
        self._changes = []

    def _embed(self, to_read: list[Found]) -> None:
        pending: list[_Piece] = []
        for found in to_read:
            for piece in self._pieces(found):
                pending.append(piece)
                if len(pending) == BATCH:
                    self._write(pending)
                    pending = []
                    self._progress(piece.bytes_done)
            self._done += found.bytes
            self._progress()
        self._write(pending)
        self._progress()

    def _pieces(self, found: Found) -> Iterator[_Piece]:
        """The passages of a file that are not in the index yet."""
        kind = kind_of(Path(found.path))
        assert kind is not None
        content = self._content(found, largest(kind))
        if content is None:
            return
        sha256 = hashlib.sha256(content).hexdigest()
        before = self._known.get(found.path)
        same = before is not None and before.sha256 == sha256
        if before is not None and same and before.complete:
            self._later(
                partial(
                    self._connection.execute,
                    "UPDATE files SET bytes = ?, mtime_ns = ? WHERE id = ?",
                    (found.bytes, _settled(found.mtime_ns), before.id),
                )
            )
            self._count_unchanged(found.path, before.problem)
            return
        try:
            document = read(kind, content)
        except UnreadableError as error:
            self._record_problem(found, sha256, str(error))
            return
        size = passage_tokens(self._model)
        made = list(
            passages(
                document,
                self._model.token_spans,
                size=size,
                overlap=min(OVERLAP_TOKENS, size // 4),
            )
        )
        number = before.id if before is not None else None
        file = _File(
            found,
            sha256,
            document.unit,
            len(made),
            id=number if same else None,
            replaces=None if same else number,
        )
        for position in range(self._stored(file), len(made)):
            yield _Piece(file, position, made[position])

    def _content(self, found: Found, most: int) -> bytes | None:
        """None if the file cannot be read; the reason is recorded."""
        if found.bytes > most:
            reason = f"larger than {most // 1_000_000} MB"
        else:
            try:
                return (self._folder / found.path).read_bytes()
            except OSError as error:
                reason = f"unreadable ({error.strerror})"
        self._record_problem(found, "", reason)
        return None

    def _record_problem(self, found: Found, sha256: str, reason: str) -> None:
        self.report.skip(found.path, reason)
        self._later(partial(self._store_problem, found, sha256, reason))

    def _store_problem(self, found: Found, sha256: str, reason: str) -> None:
        before = self._known.get(found.path)
        if before is not None:
            _delete(self._connection, before.id)
        # What could not even be read is tried again next time.
        mtime_ns = _settled(found.mtime_ns) if sha256 else 0
        self._connection.execute(
            "INSERT INTO files (path, bytes, mtime_ns, sha256, unit, complete, problem) "
            "VALUES (?, ?, ?, ?, ?, 1, ?)",
            (found.path, found.bytes, mtime_ns, sha256, Unit.NONE.value, reason),
        )

    def _stored(self, file: _File) -> int:
        """Passages of the file that an update which was stopped has left."""
        count = self._connection.execute(
            "SELECT count(*) FROM passages WHERE file = ?", (file.id,)
        ).get
        return int(count)

    def _write(self, pieces: list[_Piece]) -> None:
        """Embed passages and store them, with their files, in one transaction."""
        if not pieces:
            return
        vectors = self._model.encode_document(
            [piece.passage.embedded for piece in pieces], normalize_embeddings=True
        )
        with transaction(self._connection):
            for piece, vector in zip(pieces, vectors, strict=True):
                self._store(piece, vector)
            self._recentre()
        self.report.passages += len(pieces)
        self.report.indexed += sum(piece.last for piece in pieces)

    def _store(self, piece: _Piece, vector: NDArray[np.float32]) -> None:
        """vector: (dim,) float32."""
        run, file, passage = self._connection.execute, piece.file, piece.passage
        if file.id is None:
            if file.replaces is not None:
                _delete(self._connection, file.replaces)
            run(
                "INSERT INTO files (path, bytes, mtime_ns, sha256, unit, complete) "
                "VALUES (?, ?, ?, ?, ?, 0)",
                (
                    file.found.path,
                    file.found.bytes,
                    _settled(file.found.mtime_ns),
                    file.sha256,
                    file.unit.value,
                ),
            )
            file.id = self._connection.last_insert_rowid()
        run(
            "INSERT INTO passages (file, position, text, headings, first, last, start, stop) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                file.id,
                piece.position,
                passage.text,
                json.dumps(passage.headings, ensure_ascii=False),
                passage.first,
                passage.last,
                passage.start,
                passage.end,
            ),
        )
        number = self._connection.last_insert_rowid()
        run("INSERT INTO vectors VALUES (?, ?)", (number, packed(vector)))
        run(
            "INSERT INTO signs VALUES (?, ?)",
            (number, signs(vector[None], self._centre)[0].tobytes()),
        )
        words = indexed("\n".join((*passage.headings, passage.text)))
        run("INSERT INTO words (rowid, terms) VALUES (?, ?)", (number, words))
        if piece.last:
            run("UPDATE files SET complete = 1 WHERE id = ?", (file.id,))

    def _recentre(self) -> None:
        """Take the mean of all vectors as the centre, whenever there are twice as many.

        All signs are then made anew, for n passages less than 2 n in all.
        """
        run = self._connection.execute
        count = run("SELECT count(*) FROM passages").get
        if count < 2 * self._centred_at or self._centred_at >= _SETTLED:
            return
        rows = run("SELECT passage, vector FROM vectors").fetchall()
        with understood(self._path):
            vectors = unpacked([vector for _, vector in rows], self._model.dimension)
        self._centre, self._centred_at = vectors.mean(axis=0), count
        self._connection.executemany(
            "UPDATE signs SET bits = ? WHERE passage = ?",
            (
                (bits.tobytes(), number)
                for bits, (number, _) in zip(signs(vectors, self._centre), rows, strict=True)
            ),
        )
        write_setting(self._connection, "centre", self._centre.tolist())
        write_setting(self._connection, "centred_at", count)

    def _progress(self, within: int = 0) -> None:
        """within: bytes of the file at work."""
        self._report_progress(Progress(self._done + within, self._total, self.report.passages))


def passage_tokens(model: Model) -> int:
    """Tokens of the longest passage: PASSAGE_TOKENS, or what the model takes beside its prompt."""
    prompts = [len(model.token_spans(prompt)) for prompt in model.prompts.values()]
    special = 2  # <s> and </s>
    return max(1, min(PASSAGE_TOKENS, model.max_tokens - max(prompts, default=0) - special))


def _delete(connection: "apsw.Connection", file: int) -> None:
    """A file with everything of it, in the caller's transaction."""
    of_file = "(SELECT id FROM passages WHERE file = ?)"
    for table, key in (("words", "rowid"), ("signs", "passage"), ("vectors", "passage")):
        connection.execute(f"DELETE FROM {table} WHERE {key} IN {of_file}", (file,))
    connection.execute("DELETE FROM passages WHERE file = ?", (file,))
    connection.execute("DELETE FROM files WHERE id = ?", (file,))


def _same(found: Found, before: _Known) -> bool:
    """Whether a file can be taken as unchanged without a look into it."""
    return before.complete and (found.bytes, found.mtime_ns) == (before.bytes, before.mtime_ns)


def _settled(mtime_ns: int) -> int:
    """0, which no file has, if the file may change again and keep its time: it is then hashed next
    time (git's "racily clean" entries).
    """
    return mtime_ns if time.time_ns() - mtime_ns > _CLOCK_STEP_NS else 0
