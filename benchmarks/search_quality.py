"""What each part of a search is worth: nDCG@10 of vectors, words and both on KorQuAD and Cranfield.

    python benchmarks/search_quality.py BUNDLE --eval ../shared/eval [--json FILE]

Every document of a set is a text file, indexed and searched as `ondol index` and `ondol search` do;
a document's place is that of its best passage. Three comparisons:

search: the ranking by vectors, the one by words, and both fused. Differences are to the first, with
the 95% interval of a paired bootstrap over the questions.

words: BM25 in FTS5 over whole documents, by the ways to make terms of Korean: the words as they
are, trigrams inside words and across them, pairs of syllables, and pairs with stems of English
words, which is what the index has.

variants: an index that the bundle's fastest variant made, asked by each other variant that is
installed, by vectors alone, with at most VARIANT_QUESTIONS questions of a set. Differences are to
its own questions.
"""

import argparse
import re
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import apsw
import numpy as np
from program import exit_code
from quality.bootstrap import paired_difference, resample_counts
from quality.metrics import CUTOFF, Mean, ndcg, score
from quality.sets import PROMPTS, RetrievalSet, read_sets
from record import write_record

from ondol import Embedder
from ondol.runtime.engines import installed
from ondol.search import Index, update
from ondol.search.index import DEPTH
from ondol.search.words import indexed, terms

#: Taken evenly from a set's questions.
VARIANT_QUESTIONS = 500

#: Questions to documents, by their place in the set, best first.
Ranker = Callable[[str], Sequence[int]]


@dataclass(frozen=True)
class Set:
    """A retrieval set without prompts."""

    name: str
    documents: Sequence[str]
    questions: Sequence[str]
    grades: Sequence[Mapping[int, int]]

    @classmethod
    def of(cls, one: RetrievalSet) -> "Set":
        passages, queries = (
            [column.texts.texts[row].removeprefix(PROMPTS[role]) for row in column.rows]
            for column, role in ((one.documents, "passage"), (one.queries, "query"))
        )
        return cls(one.name, passages, queries, one.grades)

    def fewer(self, most: int) -> "Set":
        """The set with every n-th question, at most `most`."""
        step = -(-len(self.questions) // most)
        return Set(self.name, self.documents, self.questions[::step], self.grades[::step])

    def ndcg(self, rank: Ranker) -> Mean:
        """nDCG@10 of each question."""
        values = []
        for question, grades in zip(self.questions, self.grades, strict=True):
            ranking = [*rank(question)[:CUTOFF]]
            # A ranking may be shorter than ten; no document stands at the rest of its places.
            values.append(ndcg(ranking + [-1] * (CUTOFF - len(ranking)), grades))
        return Mean(np.array(values))


def compared(results: Mapping[str, Mean]) -> Mapping[str, Any]:
    """Scores, and the differences to the first."""
    base = next(iter(results.values()))
    counts = resample_counts(base.items)
    return {
        name: {
            "ndcg_at_10": score(found),
            **({} if found is base else asdict(paired_difference(found, base, counts))),
        }
        for name, found in results.items()
    }


def write_set(one: Set, folder: Path) -> None:
    """One file a document, named by its place."""
    folder.mkdir(parents=True)
    for place, text in enumerate(one.documents):
        (folder / f"{place}.txt").write_text(text, encoding="utf-8")


class Searched:
    """A set, indexed by one model and asked by another."""

    def __init__(self, path: Path, model: Embedder) -> None:
        self.index = Index.open(path, model)
        self._model = model
        connection = apsw.Connection(str(path))
        rows = connection.execute(
            "SELECT passages.id, path FROM passages JOIN files ON files.id = passages.file"
        )
        self._places = {number: int(Path(name).stem) for number, name in rows}
        connection.close()

    def by_vectors(self, question: str) -> list[int]:
        return self._documents(self.index.nearest(self._model.encode_query(question)))

    def by_words(self, question: str) -> list[int]:
        return self._documents(self.index.matching(question))

    def fused(self, question: str) -> list[int]:
        hits = self.index.search(question, limit=DEPTH)
        return list(dict.fromkeys(int(Path(hit.file).stem) for hit in hits))

    def _documents(self, passages: Sequence[int]) -> list[int]:
        return list(dict.fromkeys(self._places[number] for number in passages))


@dataclass(frozen=True)
class Terms:
    """A way to make terms: what FTS5 is given of a document, and of a question."""

    tokenizer: str
    of_document: Callable[[str], str]
    of_question: Callable[[str], set[str]]


_WORD = re.compile(r"\w+")


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text))


def _trigrams(text: str) -> set[str]:
    return {text[n : n + 3] for n in range(len(text) - 2)}


def _pairs(text: str) -> list[str]:
    """The terms of the index, but English words whole."""
    values = ((term.value, text[term.start : term.end]) for term in terms(text))
    return [written.casefold() if written.isascii() else value for value, written in values]


WAYS = {
    "words": Terms("unicode61", str, _words),
    "trigrams inside words": Terms(
        "trigram", str, lambda text: {t for word in _words(text) for t in _trigrams(word)}
    ),
    "trigrams across words": Terms(
        "trigram", str, lambda text: _trigrams(" ".join(_WORD.findall(text)))
    ),
    "pairs of syllables": Terms(
        "ascii", lambda text: " ".join(_pairs(text)), lambda text: set(_pairs(text))
    ),
    "pairs and stems": Terms("ascii", indexed, lambda text: set(indexed(text).split())),
}


def word_ranker(way: Terms, documents: Sequence[str]) -> Ranker:
    """BM25 over whole documents with any of the question's terms."""
    connection = apsw.Connection(":memory:")
    connection.execute(f"CREATE VIRTUAL TABLE d USING fts5 (t, tokenize = '{way.tokenizer}')")
    with connection:
        connection.executemany(
            "INSERT INTO d (rowid, t) VALUES (?, ?)",
            enumerate(way.of_document(text) for text in documents),
        )

    def rank(question: str) -> list[int]:
        found = " OR ".join(f'"{term}"' for term in sorted(way.of_question(question)))
        if not found:
            return []
        query = f"SELECT rowid FROM d WHERE d MATCH ? ORDER BY rank LIMIT {CUTOFF}"
        return [row[0] for row in connection.execute(query, (found,))]

    return rank


def other_variants(model: Embedder) -> Iterator[str]:
    """Those of the bundle that are installed."""
    for record in model.manifest.variants:
        if record.name.value != model.variant and installed(record.name):
            yield record.name.value


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", metavar="BUNDLE")
    parser.add_argument("--eval", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    return exit_code(_run, parser.parse_args())


def _run(options: argparse.Namespace) -> None:
    results: dict[str, Any] = {"bundle": Path(options.bundle).name, "sets": {}}
    with tempfile.TemporaryDirectory() as temporary, Embedder(options.bundle) as model:
        results["variant"] = model.variant
        for read in read_sets(options.eval):
            if not isinstance(read, RetrievalSet):
                continue
            one = Set.of(read)
            folder, path = Path(temporary) / one.name, Path(temporary) / f"{one.name}.sqlite3"
            write_set(one, folder)
            report = update(path, folder, model)
            print(f"{one.name}: {report.indexed} documents, {report.passages} passages", flush=True)
            searched = Searched(path, model)
            rankers = {
                "vectors": searched.by_vectors,
                "words": searched.by_words,
                "both": searched.fused,
            }
            found = {name: one.ndcg(rank) for name, rank in rankers.items()}
            some = one.fewer(VARIANT_QUESTIONS)
            variants = {model.variant: some.ndcg(searched.by_vectors)}
            for name in other_variants(model):
                with Embedder(options.bundle, variant=name) as other:
                    variants[name] = some.ndcg(Searched(path, other).by_vectors)
            composed = [unicodedata.normalize("NFC", text) for text in one.documents]
            words = {name: one.ndcg(word_ranker(way, composed)) for name, way in WAYS.items()}
            results["sets"][one.name] = {
                "documents": report.indexed,
                "passages": report.passages,
                "questions": len(one.questions),
                "variant_questions": len(some.questions),
                "search": compared(found),
                "words": compared(words),
                "variants": compared(variants),
            }
            for part in ("search", "words", "variants"):
                for name, values in results["sets"][one.name][part].items():
                    print(f"  {part}: {name:24} {values['ndcg_at_10']:.4f}", flush=True)
    if options.json:
        write_record(options.json, results)


if __name__ == "__main__":
    sys.exit(main())
