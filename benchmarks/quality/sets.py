"""The evaluation sets: which texts are encoded, and which of their vectors are compared."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from ondol.errors import InputError

#: What the E5 model cards put before a text, by its role; sentences to compare count as queries.
PROMPTS = {"query": "query: ", "passage": "passage: "}

#: Vectors of `Texts`, by its name: (texts, dim) float32 each.
Vectors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Texts:
    """Distinct texts that are encoded together, prompts included.

    Attributes:
        name: for files and progress.
        texts: each once.
    """

    name: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """One text per item of a set, as a place among distinct texts.

    Attributes:
        texts: where the texts are.
        rows: (items,) index into them.
    """

    texts: Texts
    rows: NDArray[np.intp]

    def of(self, vectors: Vectors) -> NDArray[np.float32]:
        """(items, dim) float32, one vector per item."""
        return vectors[self.texts.name][self.rows]


@dataclass(frozen=True)
class PairSet:
    """Semantic textual similarity: pairs of sentences with a score of people.

    Attributes:
        left, right: the sentences of each pair.
        scores: (pairs,) float64, from 0 to 5.
    """

    name: str
    left: Column
    right: Column
    scores: NDArray[np.float64]

    @property
    def columns(self) -> tuple[Column, Column]:
        return self.left, self.right


@dataclass(frozen=True)
class RetrievalSet:
    """Queries against one corpus.

    Attributes:
        queries: those with at least one relevant document.
        documents: the corpus.
        grades: for each query the grade of its judged documents, by index into `documents`.
    """

    name: str
    queries: Column
    documents: Column
    grades: tuple[Mapping[int, int], ...]

    @property
    def columns(self) -> tuple[Column, Column]:
        return self.queries, self.documents


EvaluationSet = PairSet | RetrievalSet


def read_sets(folder: Path) -> tuple[EvaluationSet, ...]:
    """KorSTS, STS-B, their Korean-English pairs, KorQuAD and Cranfield from `folder`.

    Raises InputError if a file is missing, or if KorSTS and STS-B are not the same pairs.
    """
    korean = read_pairs("korsts", folder / "korsts" / "test.tsv")
    english = read_pairs("stsb", folder / "stsb_en" / "test.tsv")
    return (
        korean,
        english,
        cross_lingual("ko_en_sts", korean, english),
        read_retrieval("korquad", folder / "korquad"),
        read_retrieval("cranfield", folder / "cranfield"),
    )


def read_pairs(name: str, path: Path) -> PairSet:
    """One STS file: score, sentence, sentence, tab-separated. Both sentences are queries."""
    with _open(path) as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    sides = [[PROMPTS["query"] + row[side] for row in rows] for side in (1, 2)]
    left, right = _columns(name, sides)
    return PairSet(name, left, right, np.array([float(row[0]) for row in rows]))


def cross_lingual(name: str, first: PairSet, second: PairSet) -> PairSet:
    """Pairs of the first sentence of `first` and the second one of `second`, row by row.

    KorSTS is STS-B translated in order (Ham et al. 2020), so row i is the same pair in both, and
    its score holds for it in any language. Raises InputError if the scores differ.
    """
    if not np.array_equal(first.scores, second.scores):
        raise InputError(
            f"{first.name} and {second.name} do not have the same scores row by row, so their "
            "sentences cannot be paired; both files must be the complete test split, in order"
        )
    return PairSet(name, first.left, second.right, second.scores)


def read_retrieval(name: str, folder: Path) -> RetrievalSet:
    """A folder in BEIR's form: corpus.jsonl, queries.jsonl, qrels.tsv (Thakur et al. 2021).

    Queries without a relevant document are left out, as in BEIR. Raises InputError if a file is
    missing or a judged document is not in the corpus.
    """
    corpus = _jsonl(folder / "corpus.jsonl")
    place = {document["_id"]: index for index, document in enumerate(corpus)}
    judged = _judgements(folder / "qrels.tsv")
    strangers = [d for grades in judged.values() for d in grades if d not in place]
    if strangers:
        raise InputError(
            f"{folder / 'qrels.tsv'} judges document {strangers[0]!r}, which corpus.jsonl does not "
            "have; both files must be of the same set"
        )
    queries = [
        query
        for query in _jsonl(folder / "queries.jsonl")
        if any(grade > 0 for grade in judged.get(query["_id"], {}).values())
    ]
    titled = ((d.get("title", "") + " " + d["text"]).strip() for d in corpus)
    (documents,) = _columns(f"{name}-corpus", [[PROMPTS["passage"] + text for text in titled]])
    (asked,) = _columns(f"{name}-queries", [[PROMPTS["query"] + q["text"] for q in queries]])
    return RetrievalSet(
        name,
        asked,
        documents,
        tuple(
            {place[document]: grade for document, grade in judged[query["_id"]].items()}
            for query in queries
        ),
    )


def distinct_texts(sets: Iterable[EvaluationSet]) -> list[Texts]:
    """What has to be encoded for `sets`, each once."""
    found = {column.texts.name: column.texts for one in sets for column in one.columns}
    return list(found.values())


def _columns(name: str, sides: Sequence[Sequence[str]]) -> list[Column]:
    """Several columns over the same distinct texts, in the order of their first appearance."""
    place: dict[str, int] = {}
    for side in sides:
        for text in side:
            place.setdefault(text, len(place))
    texts = Texts(name, tuple(place))
    return [Column(texts, np.array([place[t] for t in side], dtype=np.intp)) for side in sides]


def _judgements(path: Path) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    with _open(path) as file:
        next(file)  # query-id, corpus-id, score
        for line in file:
            query, document, grade = line.rstrip("\n").split("\t")
            judged.setdefault(query, {})[document] = int(grade)
    return judged


def _jsonl(path: Path) -> list[dict[str, str]]:
    with _open(path) as file:
        return [json.loads(line) for line in file]


def _open(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8", newline="")
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is missing; --eval names a folder with korsts/, stsb_en/, korquad/ and "
            "cranfield/"
        ) from error
