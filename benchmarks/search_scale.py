"""How fast indexing and search are, and what an index weighs, at two sizes.

    python benchmarks/search_scale.py --corpus ../shared/corpus --eval ../shared/eval --work DIR \
        [--json FILE]

Makes files of the corpus below DIR and indexes them with the bundle inside the package, as
`ondol index` does. First documents of the usual length, whose passages are full: that gives the
rate and the bytes. Then files of one short line, one passage each, since 100,000 full passages take
hours: 10,000 of them, and as many more as make 100,000. At both sizes the questions of KorQuAD and
Cranfield are searched, after ten that are not counted: by the clock, and in processor time, which
other processes on the machine do not lengthen as much. A run that was stopped goes on.

At the larger size the ways to store vectors are compared, on the index's own vectors: time of the
nearest 100 inside SQLite, and how many of the exact ten are found. Then again with one direction
added to all vectors, so that their mean cosine is what the published E5 models have: the stand-in's
is far lower.
"""

import argparse
import gzip
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import sqlite_vec
from numpy.typing import NDArray
from output_precision import mean_cosine
from program import exit_code
from quality.sets import PROMPTS, RetrievalSet, read_sets
from record import write_record

from ondol import Embedder
from ondol.benchmarks.measure import percentile
from ondol.search import Index, Progress, update
from ondol.search.codes import packed, signs, unpacked
from ondol.search.index import CANDIDATES, DEPTH

SIZES = (10_000, 100_000)

#: Characters of a short line, and lines of a long document.
SHORT = range(40, 161)
DOCUMENT_LINES = 60
DOCUMENTS = 40

QUESTIONS = 200
WARM_UP = 10

#: Questions of the comparison of vectors, and of them those that are timed.
COMPARED = 200
TIMED = 20

#: Of the direction that is added to vectors of norm 1, for a mean cosine of about 0.8.
SHARED_NORM = 2.0

LANGUAGES = ("ko", "en")


def corpus_lines(corpus: Path, language: str) -> Iterator[str]:
    """Lines of the corpus, which are in random order."""
    with gzip.open(corpus / f"{language}.txt.gz", "rt", encoding="utf-8") as file:
        yield from (line.strip() for line in file)


def write_documents(corpus: Path, folder: Path) -> None:
    """Files of DOCUMENT_LINES paragraphs, half of them in each language."""
    for language in LANGUAGES:
        lines = corpus_lines(corpus, language)
        for number in range(DOCUMENTS // len(LANGUAGES)):
            path = folder / f"{language}{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n\n".join(islice(lines, DOCUMENT_LINES)), encoding="utf-8")


def write_short(corpus: Path, folder: Path, count: int) -> None:
    """Files of one short line, half of them in each language; those that are there stay."""
    for language in LANGUAGES:
        lines = (line for line in corpus_lines(corpus, language) if len(line) in SHORT)
        for number, line in enumerate(islice(lines, count // len(LANGUAGES))):
            path = folder / f"{language}{number // 1000}" / f"{number}.txt"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(line, encoding="utf-8")


def questions(folder: Path) -> list[str]:
    """QUESTIONS and WARM_UP of KorQuAD and Cranfield, in turns, without prompt."""
    sets = [one for one in read_sets(folder) if isinstance(one, RetrievalSet)]
    texts = [
        [text.removeprefix(PROMPTS["query"]) for text in one.queries.texts.texts] for one in sets
    ]
    in_turns = [text for pair in zip(*texts, strict=False) for text in pair]
    return in_turns[: QUESTIONS + WARM_UP]


def index(path: Path, folder: Path, model: Embedder) -> Mapping[str, float]:
    """Bring an index up to date; what was embedded now, and the rate."""
    shown = 0

    def show(progress: Progress) -> None:
        nonlocal shown
        if progress.passages >= shown + 5000:
            shown = progress.passages
            print(f"  {shown:,} passages", file=sys.stderr, flush=True)

    report = update(path, folder, model, report_progress=show)
    rate = report.passages / report.seconds
    return {"passages": report.passages, "seconds": report.seconds, "per_second": rate}


@dataclass(frozen=True)
class Cost:
    """Of a call: seconds that pass, and seconds of processor time in all threads."""

    wall: float
    processor: float


def timed(call: Callable[[], Any]) -> tuple[Any, Cost]:
    """What it returns, and what it costs."""
    wall, processor = time.perf_counter(), time.process_time()
    result = call()
    return result, Cost(time.perf_counter() - wall, time.process_time() - processor)


def search_times(path: Path, model: Embedder, texts: Sequence[str]) -> Mapping[str, Any]:
    """Milliseconds of a search and of its steps, over all texts but the first WARM_UP."""
    costs: dict[str, list[Cost]] = {name: [] for name in ("embed", "vectors", "words", "total")}
    with Index.open(path, model) as opened:
        _, first = timed(partial(opened.search, texts[0]))
        for text in texts:
            vector, embed = timed(partial(model.encode_query, text))
            _, vectors = timed(partial(opened.nearest, vector))
            _, words = timed(partial(opened.matching, text))
            _, total = timed(partial(opened.search, text))
            for name, cost in zip(costs, (embed, vectors, words, total), strict=True):
                costs[name].append(cost)
        passages = opened.stats().passages
    return {
        "passages": passages,
        "first_ms": 1000 * first.wall,
        **{name: milliseconds(all_[WARM_UP:]) for name, all_ in costs.items()},
    }


def milliseconds(costs: Sequence[Cost]) -> Mapping[str, float]:
    """The median and the 95th percentile of both clocks."""
    return {
        f"{clock}_p{round(100 * share)}_ms": 1000
        * percentile([getattr(c, clock) for c in costs], share)
        for clock in ("wall", "processor")
        for share in (0.5, 0.95)
    }


class Store:
    """A database in memory for one way to keep vectors."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        self.connection.enable_load_extension(True)
        self.connection.load_extension(sqlite_vec.loadable_path())

    def insert(self, statement: str, rows: Sequence[bytes]) -> None:
        with self.connection:
            self.connection.executemany(statement, enumerate(rows))

    def ids(self, statement: str, values: tuple[Any, ...]) -> list[int]:
        return [row[0] for row in self.connection.execute(statement, values)]


def stores(
    vectors: NDArray[np.float32],
) -> Iterator[tuple[str, int, Callable[[NDArray[np.float32]], list[int]]]]:
    """Name, bytes of a vector, and the search of each way. vectors: (n, dim) float32 of norm 1."""
    dimension = vectors.shape[1]
    nearest = f"SELECT rowid FROM v WHERE e MATCH ? AND k = {DEPTH}"
    floats = Store()
    floats.connection.execute(
        f"CREATE VIRTUAL TABLE v USING vec0(e float[{dimension}] distance_metric=cosine)"
    )
    floats.insert("INSERT INTO v (rowid, e) VALUES (?, ?)", [row.tobytes() for row in vectors])
    yield "float32, vec0", 4 * dimension, lambda v: floats.ids(nearest, (v.tobytes(),))

    scale = 127 / np.abs(vectors).max()
    integers = Store()
    integers.connection.execute(
        f"CREATE VIRTUAL TABLE v USING vec0(e int8[{dimension}] distance_metric=cosine)"
    )
    eight = np.round(vectors * scale).astype(np.int8)
    integers.insert(
        "INSERT INTO v (rowid, e) VALUES (?, vec_int8(?))", [r.tobytes() for r in eight]
    )

    def by_int8(vector: NDArray[np.float32]) -> list[int]:
        stored = np.clip(np.round(vector * scale), -127, 127).astype(np.int8).tobytes()
        return integers.ids(nearest.replace("?", "vec_int8(?)"), (stored,))

    yield "int8, vec0", dimension, by_int8

    for label, centre in (
        ("signs", np.zeros(dimension, dtype=np.float32)),
        ("signs from the mean", vectors.mean(axis=0)),
    ):
        for candidates in (DEPTH, CANDIDATES):
            store = Store()
            store.connection.execute("CREATE TABLE s (passage INTEGER PRIMARY KEY, bits BLOB)")
            store.connection.execute("CREATE TABLE v (passage INTEGER PRIMARY KEY, vector BLOB)")
            store.insert(
                "INSERT INTO s VALUES (?, ?)", [r.tobytes() for r in signs(vectors, centre)]
            )
            store.insert("INSERT INTO v VALUES (?, ?)", [packed(row) for row in vectors])

            def by_signs(
                vector: NDArray[np.float32],
                store: Store = store,
                centre: NDArray[np.float32] = centre,
                candidates: int = candidates,
            ) -> list[int]:
                rows = store.connection.execute(
                    "SELECT v.passage, v.vector FROM v JOIN (SELECT passage, vec_distance_hamming("
                    "vec_bit(bits), vec_bit(?)) AS d FROM s ORDER BY d LIMIT ?) USING (passage)",
                    (signs(vector[None], centre)[0].tobytes(), candidates),
                ).fetchall()
                order = np.argsort(-(unpacked([row[1] for row in rows], dimension) @ vector))
                return [rows[place][0] for place in order]

            name = f"{label}, then float16 of {candidates:,}"
            yield name, dimension // 8 + 2 * dimension, by_signs


def compare_stores(
    vectors: NDArray[np.float32], asked: NDArray[np.float32]
) -> Iterator[Mapping[str, Any]]:
    """Recall of the exact ten and time of each way. asked: (questions, dim) float32 of norm 1."""
    exact = [set(row[:10]) for row in np.argsort(-(asked @ vectors.T), axis=1)]
    for name, size, search in stores(vectors):
        found = [search(vector) for vector in asked]
        costs = [timed(partial(search, vector))[1] for vector in asked[:TIMED]]
        shares = [len(e & set(f[:10])) / 10 for e, f in zip(exact, found, strict=True)]
        yield {
            "name": name,
            "bytes": size,
            "recall_at_10": float(np.mean(shares)),
            **milliseconds(costs),
        }


def with_shared_direction(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, dim) float32 of norm 1, after the same vector was added to all."""
    random = np.random.default_rng(7)
    shared = random.normal(size=vectors.shape[1])
    moved = vectors + SHARED_NORM * shared / np.linalg.norm(shared)
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


def stored_vectors(path: Path) -> NDArray[np.float32]:
    """(passages, dim) float32, scaled to norm 1 after their rounding to float16."""
    connection = apsw.Connection(str(path))
    stored = [row[0] for row in connection.execute("SELECT vector FROM vectors")]
    vectors = unpacked(stored, len(stored[0]) // np.dtype("<f2").itemsize)
    connection.close()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True, help="folder with ko.txt.gz, en…")
    parser.add_argument("--eval", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--work", type=Path, required=True, help="folder for files and indexes")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    return exit_code(_run, parser.parse_args())


def _run(options: argparse.Namespace) -> None:
    work: Path = options.work
    texts = questions(options.eval)
    results: dict[str, Any] = {"searches": [], "vectors": {}}
    with Embedder() as model:
        write_documents(options.corpus, work / "documents")
        full = work / "documents.sqlite3"
        full.unlink(missing_ok=True)
        indexed = dict(index(full, work / "documents", model))
        indexed["bytes_per_passage"] = full.stat().st_size / indexed["passages"]
        results["indexing"] = indexed
        print(indexed, flush=True)
        for size in SIZES:
            path = work / f"short{size}.sqlite3"
            write_short(options.corpus, work / f"short{size}", size)
            index(path, work / f"short{size}", model)
            found = dict(search_times(path, model, texts))
            found["bytes_per_passage"] = path.stat().st_size / found["passages"]
            results["searches"].append(found)
            print(found, flush=True)
        asked = np.asarray(model.encode_query(texts[:COMPARED]))
    vectors = stored_vectors(work / f"short{SIZES[-1]}.sqlite3")
    for label, change in (("as they are", lambda v: v), ("shared", with_shared_direction)):
        changed = change(vectors)
        print(f"{label}: mean cosine {mean_cosine(changed):.2f}", flush=True)
        ways = []
        for way in compare_stores(changed, change(asked)):
            print(way, flush=True)
            ways.append(way)
        results["vectors"][label] = {"mean_cosine": mean_cosine(changed), "ways": ways}
    if options.json:
        write_record(options.json, results)


if __name__ == "__main__":
    sys.exit(main())
