"""Which queries are held out, and what a reranker gets of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rerank_sets
from quality.models import Encode, NamedModel
from quality.sets import read_retrieval
from rerank_sets import held_out_by_document, held_out_by_query, read_rerank_sets

from ondol.testing import FakeEmbedder

#: Relevant documents of each query, of five.
RELEVANT = {"q0": ["d0"], "q1": ["d4"], "q2": ["d2", "d3"], "q3": ["d3"], "q4": ["d3", "d4"]}


class Fake:
    """A first stage without a model."""

    def identity(self) -> str:
        return "fake"

    @contextmanager
    def open(self) -> Iterator[Encode]:
        with FakeEmbedder() as embedder:
            yield embedder.encode


def write_set(folder: Path) -> Path:
    folder.mkdir(parents=True)
    documents = [{"_id": f"d{n}", "title": "제목", "text": f"passage: {n}"} for n in range(5)]
    queries = [{"_id": name, "text": f"question {name}"} for name in RELEVANT]
    for name, rows in (("corpus", documents), ("queries", queries)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    judged = [f"{query}\t{d}\t1\n" for query, several in RELEVANT.items() for d in several]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judged))
    return folder


def test_the_last_paragraphs_and_the_last_queries_are_held_out(tmp_path: Path) -> None:
    one = read_retrieval("korquad", write_set(tmp_path / "korquad"))
    # d3 and d4 are the last two fifths; q2 is answered by a document of the training part too.
    assert held_out_by_document(one).tolist() == [False, True, False, True, True]
    assert held_out_by_query(one).tolist() == [False, False, False, True, True]


def test_texts_lose_the_prompts_and_candidates_are_those_of_the_first_stage(
    tmp_path: Path,
) -> None:
    for name in ("korquad", "cranfield"):
        write_set(tmp_path / name)
    korquad, cranfield = read_rerank_sets(tmp_path, NamedModel("fake", Fake()), tmp_path / "cache")
    assert (korquad.name, cranfield.name) == ("korquad", "cranfield")
    assert korquad.queries[1] == "question q1"
    assert korquad.documents[4] == "제목 passage: 4"
    assert korquad.grades[2] == {2: 1, 3: 1}
    query = FakeEmbedder().encode("query: question q1")
    cosines = FakeEmbedder().encode([f"passage: {text}" for text in korquad.documents]) @ query
    assert korquad.candidates.shape == (5, min(5, rerank_sets.CANDIDATES))
    assert korquad.candidates[1].tolist() == np.argsort(-cosines).tolist()
