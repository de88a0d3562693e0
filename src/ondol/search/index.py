"""Search an index: by meaning, by words, and both fused."""

import json
import os
import threading
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ondol.closing import Closing
from ondol.errors import ClosedError, InputError
from ondol.search.codes import signs, unpacked
from ondol.search.compatibility import check_model
from ondol.search.database import connect, read_settings, reported, snapshot, understood
from ondol.search.document import Unit
from ondol.search.fusion import reciprocal_rank_fusion
from ondol.search.indexing import is_below_root, root_of
from ondol.search.model import Model
from ondol.search.snippet import snippet
from ondol.search.word_query import match_expression
from ondol.search.words import terms

if TYPE_CHECKING:
    import apsw

#: Passages of each ranking that are fused.
DEPTH = 100

#: Passages whose signs are nearest that are compared again by their vectors. Of 100,000, that keeps
#: 99% of the exact ten (benchmarks/search_scale.py).
CANDIDATES = 1000

#: Passages that a reranker is given.
RERANKED = 30


class Ranker(Protocol):
    """What search needs of `ondol.Reranker`."""

    def rank(
        self, query: str, documents: Sequence[str], *, top_k: int | None = None
    ) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Hit:
    """A passage that was found.

    Attributes:
        file: path of its file below the indexed folder, composed, with "/" between.
        path: of its file on this machine.
        unit: what `first` and `last` count.
        first, last: its lines or pages, from 1; None if the format has neither.
        start, end: its characters in the file's text, composed.
        headings: those it stands under, the highest first.
        text: all of it.
        snippet: the part that shows why it was found, on one line.
        highlights: spans (start, end) of `snippet` that the query's words match.
        score: by which hits are ordered: of the fusion, or of the reranker, from 0 to 1.
        vector_rank, word_rank: its place, from 1, by meaning and by words; None if it is not among
            the first 100 (or `limit`, if that is more) there.
        reranked: whether `score` is the reranker's.
    """

    file: str
    path: Path
    unit: Unit
    first: int | None
    last: int | None
    start: int
    end: int
    headings: tuple[str, ...]
    text: str
    snippet: str
    highlights: tuple[tuple[int, int], ...]
    score: float
    vector_rank: int | None
    word_rank: int | None
    reranked: bool


@dataclass(frozen=True)
class Stats:
    """What an index holds.

    Attributes:
        root: the folder it was made of.
        files: with passages. passages: in all.
        skipped: files without text, by reason.
        bytes: of the index file.
        updated: when the last update ended, ISO 8601 in UTC; None if none has.
        identity, variant, dimension: of the model whose vectors it holds.
    """

    root: Path
    files: int
    passages: int
    skipped: Mapping[str, int]
    bytes: int
    updated: str | None
    identity: Mapping[str, str]
    variant: str
    dimension: int


class Index(Closing):
    """An index file, open for search.

    Safe to use from many threads: each has a connection of its own. Sees what an `ondol index` at
    the same time has written. A context manager.
    """

    def __init__(self, path: Path, model: Model) -> None:
        self._path = path
        self._model = model
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[apsw.Connection] = []
        self._closed = False
        try:
            with reported(path):
                settings = read_settings(self._connection())
            check_model(path, settings, model)
        except BaseException:
            self.close()
            raise
        self._root = root_of(path, settings)

    @classmethod
    def open(cls, path: str | os.PathLike[str], model: Model) -> Self:
        """An index file, as `ondol index` writes it, and the model it was made with.

        The model stays the caller's, who closes it. Raises IndexNotFoundError, IndexFormatError,
        IndexDamagedError, IndexModelError, or MissingDependencyError.
        """
        return cls(Path(path), model)

    def search(self, text: str, limit: int = 10, *, reranker: Ranker | None = None) -> list[Hit]:
        """The passages that fit `text` best, at most `limit`, the best first.

        The rankings by meaning and by words are fused by reciprocal rank. reranker: orders the
        first RERANKED of them anew, or `limit` if that is more.

        Raises InputError for an empty text or a limit below 1, ClosedError after close().
        """
        query = unicodedata.normalize("NFC", text).strip()
        if not query:
            raise InputError("the text to search for is empty; expected words or a question")
        if limit < 1:
            raise InputError(f"limit is {limit}; expected a whole number from 1")
        vector = self._model.encode_query(query, normalize_embeddings=True)
        connection = self._connection()
        with reported(self._path), understood(self._path), snapshot(connection):
            by_vector = self._nearest(connection, vector, max(DEPTH, limit))
            by_words = self._matching(connection, query, max(DEPTH, limit))
            fused = reciprocal_rank_fusion(by_vector, by_words)
            kept = fused[: limit if reranker is None else max(limit, RERANKED)]
            rows = {number: self._row(connection, number) for number, _ in kept}
        vector_ranks, word_ranks = _places(by_vector), _places(by_words)
        wanted = {term.value for term in terms(query)}
        if reranker is not None and kept:
            documents = [_document(rows[number]) for number, _ in kept]
            ranked = reranker.rank(query, documents, top_k=limit)
            kept = [(kept[one["corpus_id"]][0], float(one["score"])) for one in ranked]
        return [
            self._hit(
                rows[number],
                wanted,
                score,
                (vector_ranks.get(number), word_ranks.get(number)),
                reranker is not None,
            )
            for number, score in kept[:limit]
        ]

    def nearest(self, vector: NDArray[np.float32], depth: int = DEPTH) -> list[int]:
        """Passages by meaning alone: their numbers, the nearest first.

        vector: (dim,) float32, of a query.
        """
        connection = self._connection()
        with reported(self._path), understood(self._path), snapshot(connection):
            return self._nearest(connection, vector, depth)

    def matching(self, text: str, depth: int = DEPTH) -> list[int]:
        """Passages by words alone: their numbers, by BM25 of the terms of `text`, best first."""
        connection = self._connection()
        query = unicodedata.normalize("NFC", text)
        with reported(self._path), understood(self._path), snapshot(connection):
            return self._matching(connection, query, depth)

    def stats(self) -> Stats:
        """What the index holds now."""
        connection = self._connection()
        with reported(self._path), snapshot(connection):
            settings = read_settings(connection)
            passages = connection.execute("SELECT count(*) FROM passages").get
            files = connection.execute("SELECT count(*) FROM files WHERE problem IS NULL").get
            problems = connection.execute(
                "SELECT problem, count(*) FROM files WHERE problem IS NOT NULL GROUP BY problem"
            ).fetchall()
        return Stats(
            root=self._root,
            files=files,
            passages=passages,
            skipped=Counter(dict(problems)),
            bytes=self._path.stat().st_size,
            updated=settings["updated"],
            identity=settings["identity"],
            variant=settings["variant"],
            dimension=int(settings["identity"]["dimension"]),
        )

    def close(self) -> None:
        """Close the connections of all threads, none of which may be searching. Closing again does
        nothing.
        """
        with self._lock:
            self._closed = True
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _connection(self) -> "apsw.Connection":
        if self._closed:
            raise ClosedError("the Index was closed; open it again")
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self._path)
            self._local.connection = connection
            with self._lock:
                self._connections.append(connection)
        return connection

    def _nearest(
        self, connection: "apsw.Connection", vector: NDArray[np.float32], depth: int
    ) -> list[int]:
        centre = read_settings(connection)["centre"]
        if centre is None:
            return []  # nothing is indexed yet
        bits = signs(vector[None], np.array(centre, dtype=np.float32))[0].tobytes()
        rows = connection.execute(
            "SELECT vectors.passage, vectors.vector FROM vectors JOIN ("
            "SELECT passage, vec_distance_hamming(vec_bit(bits), vec_bit(?)) AS distance "
            "FROM signs ORDER BY distance LIMIT ?) AS near USING (passage)",
            (bits, max(CANDIDATES, depth)),
        ).fetchall()
        if not rows:
            return []
        similarities = (
            unpacked([stored for _, stored in rows], len(vector)) @ vector
        )  # (candidates,)
        order = np.argsort(-similarities, kind="stable")[:depth]
        return [rows[place][0] for place in order]

    def _matching(self, connection: "apsw.Connection", query: str, depth: int) -> list[int]:
        expression = match_expression(connection, query)
        if not expression:
            return []
        rows = connection.execute(
            "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?", (expression, depth)
        )
        return [number for (number,) in rows]

    def _row(self, connection: "apsw.Connection", number: int) -> "_Row":
        found = connection.execute(
            "SELECT path, unit, first, last, start, stop, headings, text "
            "FROM passages JOIN files ON files.id = passages.file WHERE passages.id = ?",
            (number,),
        ).get
        if found is None:
            raise LookupError(f"it lacks the passage {number}")
        path, unit, first, last, start, stop, headings, text = found
        if not is_below_root(path):
            raise ValueError(f"it has the path {path!r:.200}")
        if not (isinstance(text, str) and isinstance(start, int) and isinstance(stop, int)):
            raise TypeError(f"its passage {number} is no text of a file")
        return _Row(
            path, Unit(unit), _place(first), _place(last), start, stop, _headings(headings), text
        )

    def _hit(
        self,
        row: "_Row",
        wanted: Collection[str],
        score: float,
        ranks: tuple[int | None, int | None],
        reranked: bool,
    ) -> Hit:
        part = snippet(row.text, wanted)
        return Hit(
            file=unicodedata.normalize("NFC", row.path),
            path=self._root / row.path,
            unit=row.unit,
            first=row.first,
            last=row.last,
            start=row.start,
            end=row.stop,
            headings=row.headings,
            text=row.text,
            snippet=part.text,
            highlights=part.highlights,
            score=score,
            vector_rank=ranks[0],
            word_rank=ranks[1],
            reranked=reranked,
        )


@dataclass(frozen=True)
class _Row:
    """A passage as it is stored, with its file."""

    path: str
    unit: Unit
    first: int | None
    last: int | None
    start: int
    stop: int
    headings: tuple[str, ...]
    text: str


def _place(value: object) -> int | None:
    if value is not None and not isinstance(value, int):
        raise TypeError(f"it has the line or page {value!r:.80}")
    return value


def _headings(stored: str) -> tuple[str, ...]:
    found = json.loads(stored)
    if not isinstance(found, list) or not all(isinstance(heading, str) for heading in found):
        raise TypeError(f"it has the headings {found!r:.80}")
    return tuple(found)


def _places(ranking: Sequence[int]) -> dict[int, int]:
    return {number: rank for rank, number in enumerate(ranking, 1)}


def _document(row: _Row) -> str:
    """What a reranker reads of a passage."""
    return "\n".join((*row.headings, row.text))
