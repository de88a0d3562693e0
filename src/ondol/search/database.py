"""The index file: one SQLite database, its schema, and what can be wrong with it.

application_id names the kind of file and user_version the schema, as SQLite means them to be used.
The journal is the classic one and not a write-ahead log: a log is a second file that holds part of
the data, and it keeps a database from being opened on a disk that cannot be written. Writes are
short here, since nothing is embedded inside a transaction.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ondol.errors import (
    IndexBusyError,
    IndexDamagedError,
    IndexFormatError,
    IndexNotFoundError,
    MissingDependencyError,
    OndolError,
    SearchError,
)

if TYPE_CHECKING:
    import apsw

#: "ondl"
APPLICATION_ID = 0x6F6E646C

#: Raised with every change that an older or newer reader would misunderstand, of tables, of terms
#: and of how documents are split.
SCHEMA_VERSION = 1

#: Milliseconds that a connection waits for another one's write.
_PATIENCE_MS = 10_000

#: Pages that a connection keeps in memory: the signs and the common words of 100,000 passages.
_CACHE_KIBIBYTES = 64 * 1024

#: What an update writes, and its types as JSON gives them.
_SETTINGS: Mapping[str, Any] = {
    "identity": dict,
    "variant": str,
    "bundle": str | None,
    "root": str,
    "centre": list | None,
    "centred_at": int,
    "updated": str | None,
}

_SCHEMA = """\
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One row for each file that was looked at. path: below the root, with "/" between. complete: all
-- of its passages are there. problem: why it has none; NULL if it has. An id is never used again,
-- so that a second writer's change is noticed.
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,
    bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    unit TEXT NOT NULL,
    complete INTEGER NOT NULL,
    problem TEXT
);

-- first, last: lines or pages, as the file's unit says, from 1. start, stop: characters of the
-- file's text. headings: a JSON array.
CREATE TABLE passages (
    id INTEGER PRIMARY KEY,
    file INTEGER NOT NULL REFERENCES files (id),
    position INTEGER NOT NULL,
    text TEXT NOT NULL,
    headings TEXT NOT NULL,
    first INTEGER,
    last INTEGER,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    UNIQUE (file, position)
);

-- Apart from each other, so that a scan of the signs reads nothing else.
CREATE TABLE signs (passage INTEGER PRIMARY KEY, bits BLOB NOT NULL);
CREATE TABLE vectors (passage INTEGER PRIMARY KEY, vector BLOB NOT NULL);

-- Terms come ready made (ondol.search.words), with spaces between; the ascii tokenizer takes every
-- character beyond ASCII for a letter.
CREATE VIRTUAL TABLE words USING fts5 (
    terms, content = '', contentless_delete = 1, tokenize = 'ascii'
);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, row);
"""


def create(path: Path, settings: Mapping[str, Any]) -> None:
    """Make `path` an empty index, unless it holds anything. settings: for `read_settings`, as JSON.

    Raises SearchError if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with reported(path):
        connection = _connect(path, create=True)
        try:
            with transaction(connection):
                # An empty file is what a process leaves that is killed while it makes one.
                if connection.execute("SELECT count(*) FROM sqlite_schema").get == 0:
                    connection.execute(_SCHEMA)
                    connection.executemany(
                        "INSERT INTO settings VALUES (?, ?)",
                        [(name, json.dumps(value)) for name, value in settings.items()],
                    )
                    connection.pragma("application_id", APPLICATION_ID)
                    connection.pragma("user_version", SCHEMA_VERSION)
        finally:
            connection.close()


def connect(path: Path) -> "apsw.Connection":
    """A connection to an index file, for one thread.

    Raises IndexNotFoundError, IndexFormatError, IndexDamagedError, or MissingDependencyError.
    """
    if not path.is_file():
        raise IndexNotFoundError(
            f"{path} is not there; expected an index file, as `ondol index FOLDER` writes it"
        )
    with reported(path):
        connection = _connect(path, create=False)
        try:
            kind, version = connection.pragma("application_id"), connection.pragma("user_version")
            if connection.execute("SELECT count(*) FROM sqlite_schema").get == 0:
                raise IndexNotFoundError(
                    f"{path} is empty; expected an index file, as `ondol index FOLDER` writes it"
                )
            if kind != APPLICATION_ID:
                raise IndexFormatError(
                    f"{path} is a SQLite database, but no index of ondol; expected one that "
                    "`ondol index FOLDER` wrote"
                )
            if version != SCHEMA_VERSION:
                older = version < SCHEMA_VERSION
                way_out = "remove it and index again" if older else "update ondol"
                raise IndexFormatError(
                    f"{path} has schema {version}; this version of ondol reads {SCHEMA_VERSION}: "
                    f"{way_out}, or name another file with --db"
                )
        except BaseException:
            connection.close()
            raise
    return connection


def read_settings(connection: "apsw.Connection") -> dict[str, Any]:
    """What `create` was given. Raises IndexDamagedError if they are not what an update writes."""
    path = Path(connection.filename)
    with understood(path):
        rows = connection.execute("SELECT name, value FROM settings")
        found = {name: json.loads(value) for name, value in rows}
        for name, kinds in _SETTINGS.items():
            if not isinstance(found[name], kinds):
                raise TypeError(f"its setting {name} is {found[name]!r:.80}")
        identity, centre = found["identity"], found["centre"]
        if not all(isinstance(value, str) for value in identity.values()):
            raise TypeError(f"its setting identity is {identity!r:.80}")
        if centre is not None and np.array(centre, np.float32).shape != (_dimension(identity),):
            raise ValueError("its centre does not have the dimension of its vectors")
    return found


def _dimension(identity: Mapping[str, str]) -> int:
    return int(identity["dimension"])


def write_setting(connection: "apsw.Connection", name: str, value: Any) -> None:
    """Change one setting, in the caller's transaction."""
    connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))


@contextmanager
def transaction(connection: "apsw.Connection") -> Iterator[None]:
    """A write transaction, which waits for other writers; undone on any error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk has ended the transaction already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(connection: "apsw.Connection") -> Iterator[None]:
    """A read transaction: all reads inside see one state."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """SQLite's errors as ondol's, with the way out."""
    apsw = apsw_module()
    try:
        yield
    # SQLError: a table or column is not there. Others: a value is larger or of another type than
    # any of ours.
    except (apsw.NotADBError, apsw.CorruptError, apsw.SQLError, apsw.TooBigError,
            apsw.MismatchError) as error:  # fmt: skip
        raise _damaged(path, error) from error
    # Rows contradict each other only if two updates write them.
    except (apsw.BusyError, apsw.ConstraintError) as error:
        raise IndexBusyError(
            f"another process is writing to {path}; wait until its `ondol index` has ended"
        ) from error
    except (apsw.IOError, apsw.FullError, apsw.CantOpenError, apsw.ReadOnlyError,
            apsw.PermissionsError) as error:  # fmt: skip
        raise SearchError(f"cannot read or write {path}: {error}") from error


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """Whatever a row holds that none of ours does, as IndexDamagedError. SQLite keeps any type in
    any column, and checks neither JSON nor UTF-8.
    """
    try:
        yield
    except OndolError:
        raise
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> IndexDamagedError:
    return IndexDamagedError(
        f"{path} is damaged or no SQLite database ({error}); it holds nothing but what "
        "`ondol index FOLDER` can make again: remove it and index again"
    )


def _connect(path: Path, *, create: bool) -> "apsw.Connection":
    apsw = apsw_module()
    # Without write permission SQLite opens the file for reading; with it, a connection that only
    # reads can still roll back what a killed writer left.
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    connection = apsw.Connection(str(path), flags)
    try:
        connection.set_busy_timeout(_PATIENCE_MS)
        connection.enable_load_extension(True)
        connection.load_extension(_sqlite_vec().loadable_path())
        connection.enable_load_extension(False)
        connection.pragma("foreign_keys", True)
        # A database is data: its schema must not run functions.
        connection.pragma("trusted_schema", False)
        connection.pragma("cache_size", -_CACHE_KIBIBYTES)
    except BaseException:
        connection.close()
        raise
    return connection


def apsw_module() -> Any:
    """The package. Raises MissingDependencyError."""
    try:
        import apsw
    except ImportError as error:
        raise MissingDependencyError("a search index", "apsw", "search") from error
    return apsw


def _sqlite_vec() -> Any:
    try:
        import sqlite_vec
    except ImportError as error:
        raise MissingDependencyError("a search index", "sqlite-vec", "search") from error
    return sqlite_vec
