"""What is read from the evaluation folder, which texts are encoded, and which vectors compared."""

import json
from pathlib import Path

import numpy as np
import pytest
from quality.sets import (
    PairSet,
    RetrievalSet,
    cross_lingual,
    distinct_texts,
    read_pairs,
    read_retrieval,
    read_sets,
)

from ondol.errors import InputError


def write_pairs(path: Path, *rows: tuple[float, str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{s}\t{a}\t{b}\n" for s, a, b in rows), encoding="utf-8")
    return path


def write_retrieval(folder: Path, qrels: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)

    def lines(name: str, *rows: dict[str, str]) -> None:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")

    lines(
        "corpus",
        {"_id": "d1", "title": "섬", "text": "제주도는 섬이다."},
        {"_id": "d2", "title": "", "text": "A city."},
        {"_id": "d3", "text": "A city."},
    )
    lines(
        "queries",
        {"_id": "q1", "text": "섬은?"},
        {"_id": "q2", "text": "not judged"},
        {"_id": "q3", "text": "judged, but nothing is relevant"},
    )
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels, encoding="utf-8")
    return folder


def test_every_sentence_is_encoded_once_and_gets_its_own_vector(tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "t.tsv", (5, "가", "나"), (0, "나", "나"), (2.5, '"다', "가"))
    pairs = read_pairs("ko", path)
    assert pairs.left.texts.texts == ("query: 가", "query: 나", 'query: "다')
    vectors = {"ko": np.array([[1.0], [2.0], [3.0]], dtype=np.float32)}
    assert pairs.left.of(vectors).tolist() == [[1], [2], [3]]
    assert pairs.right.of(vectors).tolist() == [[2], [2], [1]]
    assert pairs.scores.tolist() == [5, 0, 2.5]


def test_cross_lingual_pairs_the_first_korean_with_the_second_english(tmp_path: Path) -> None:
    korean = read_pairs("ko", write_pairs(tmp_path / "k.tsv", (5, "가", "나"), (1, "다", "라")))
    english = read_pairs("en", write_pairs(tmp_path / "e.tsv", (5, "a", "b"), (1, "c", "d")))
    pairs = cross_lingual("ko-en", korean, english)
    left = [pairs.left.texts.texts[row] for row in pairs.left.rows]
    right = [pairs.right.texts.texts[row] for row in pairs.right.rows]
    assert list(zip(left, right, pairs.scores, strict=True)) == [
        ("query: 가", "query: b", 5),
        ("query: 다", "query: d", 1),
    ]
    # Nothing is encoded for it that the two sets do not have already.
    assert distinct_texts([korean, english, pairs]) == distinct_texts([korean, english])


def test_cross_lingual_refuses_files_that_are_not_the_same_pairs(tmp_path: Path) -> None:
    korean = read_pairs("ko", write_pairs(tmp_path / "k.tsv", (5, "가", "나"), (1, "다", "라")))
    english = read_pairs("en", write_pairs(tmp_path / "e.tsv", (1, "c", "d"), (5, "a", "b")))
    with pytest.raises(InputError, match="do not have the same scores row by row"):
        cross_lingual("ko-en", korean, english)


def test_retrieval_set(tmp_path: Path) -> None:
    folder = write_retrieval(tmp_path / "s", "q1\td1\t2\nq1\td3\t0\nq3\td2\t0\n")
    one = read_retrieval("s", folder)
    assert one.documents.texts.texts == ("passage: 섬 제주도는 섬이다.", "passage: A city.")
    assert one.documents.rows.tolist() == [0, 1, 1]
    assert one.queries.texts.texts == ("query: 섬은?",), "queries without a relevant document"
    assert one.grades == ({0: 2, 2: 0},)


def test_a_judged_document_that_is_not_in_the_corpus_is_an_error(tmp_path: Path) -> None:
    folder = write_retrieval(tmp_path / "s", "q1\td9\t1\n")
    with pytest.raises(InputError, match=r"judges document 'd9', which corpus\.jsonl does"):
        read_retrieval("s", folder)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"korsts/test\.tsv is missing; --eval names a folder"):
        read_sets(tmp_path)


@pytest.mark.shared
def test_the_real_sets(shared_dir: Path) -> None:
    """Sizes as the folder's own description states them."""
    sets = {one.name: one for one in read_sets(shared_dir / "eval")}
    for name in ("korsts", "stsb", "ko_en_sts"):
        pairs = sets[name]
        assert isinstance(pairs, PairSet)
        assert len(pairs.scores) == len(pairs.left.rows) == len(pairs.right.rows) == 1379
    for name, queries, documents, relevant in (
        ("korquad", 2865, 431, 2865),
        ("cranfield", 225, 1400, 1612),
    ):
        one = sets[name]
        assert isinstance(one, RetrievalSet)
        assert (len(one.queries.rows), len(one.documents.rows)) == (queries, documents)
        assert sum(grade > 0 for grades in one.grades for grade in grades.values()) == relevant
    texts = [text for group in distinct_texts(sets.values()) for text in group.texts]
    assert all(text.startswith(("query: ", "passage: ")) for text in texts)
