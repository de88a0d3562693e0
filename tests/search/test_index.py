"""Hits, and what is refused."""

import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from ondol.errors import (
    ClosedError,
    IndexDamagedError,
    IndexFormatError,
    IndexModelError,
    IndexNotFoundError,
    InputError,
)
from ondol.search import Index, update
from ondol.search.document import Unit
from ondol.search.index import CANDIDATES
from ondol.testing import FakeEmbedder

WriteFiles = Callable[[Mapping[str, str | bytes]], Path]

MakeIndex = Callable[..., Index]


@pytest.fixture
def make_index(write_files: WriteFiles, model: FakeEmbedder, tmp_path: Path) -> MakeIndex:
    """Index files, by name, and open the index."""

    def make(**files: str) -> Index:
        folder = write_files({f"{name}.md": text for name, text in files.items()})
        update(tmp_path / "index.sqlite3", folder, model)
        return Index.open(tmp_path / "index.sqlite3", model)

    return make


def test_a_hit_says_where_it_is_and_why(make_index: MakeIndex, tmp_path: Path) -> None:
    text = "# 여행\n\n개요다.\n\n## 제주\n\n국내여행지로 이름난 섬이다.\n"
    with make_index(a=text, b="시장 소식") as index:
        hit = index.search("국내 여행")[0]
    assert (hit.file, hit.path) == ("a.md", tmp_path / "documents" / "a.md")
    assert (hit.unit, hit.first, hit.last) == (Unit.LINE, 5, 7)
    assert text[hit.start : hit.end] == hit.text == "## 제주\n\n국내여행지로 이름난 섬이다."
    assert hit.headings == ("여행", "제주")
    assert [hit.snippet[a:b] for a, b in hit.highlights] == ["국내여행"]
    assert hit.word_rank == 1
    assert not hit.reranked


@pytest.mark.parametrize("query", ["여행", "행지", "물", "running", "gpt4", "여행지가"])
def test_words_are_found_inside_other_words(make_index: MakeIndex, query: str) -> None:
    with make_index(a="국내여행지에는 물이 많다. It runs GPT4를.", b="시장 소식") as index:
        assert len(index.matching(query)) == 1


def test_decomposed_text_and_question_are_found(make_index: MakeIndex) -> None:
    decomposed = unicodedata.normalize("NFD", "국내여행지")
    with make_index(a=decomposed, b="시장 소식") as index:
        (first, _) = index.search(unicodedata.normalize("NFD", "여행"))
        assert len(index.matching(unicodedata.normalize("NFD", "여행"))) == 1
    assert first.text == "국내여행지"
    assert [first.snippet[a:b] for a, b in first.highlights] == ["여행"]


def test_words_of_headings_are_found_in_what_is_below_them(make_index: MakeIndex) -> None:
    with make_index(a="# 제주\n\n## 날씨\n\n맑다.", b="서울") as index:
        files = {hit.text for hit in index.search("제주") if hit.word_rank is not None}
    assert "## 날씨\n\n맑다." in files


def test_the_score_is_the_fusion_of_both_ranks(make_index: MakeIndex) -> None:
    with make_index(a="사과", b="바나나 사과", c="체리") as index:
        hits = index.search("사과")
    # Equal texts have equal vectors: a is first by meaning, and the shorter by words.
    assert (hits[0].file, hits[0].vector_rank, hits[0].word_rank) == ("a.md", 1, 1)
    assert hits[0].score == pytest.approx(2 / 61)
    assert {hit.file: hit.word_rank for hit in hits} == {"a.md": 1, "b.md": 2, "c.md": None}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_signs_keep_the_nearest_among_many(
    write_files: WriteFiles, model: FakeEmbedder, tmp_path: Path
) -> None:
    text = "\n\n".join(f"# {n}\n\n글 {n}" for n in range(2 * CANDIDATES))
    folder = write_files({"a.md": text})
    update(tmp_path / "i.sqlite3", folder, model)
    with Index.open(tmp_path / "i.sqlite3", model) as index:
        hits = [index.search(f"# {n}\n\n글 {n}", limit=1)[0] for n in (0, 999, 1999)]
    assert [hit.text for hit in hits] == ["# 0\n\n글 0", "# 999\n\n글 999", "# 1999\n\n글 1999"]
    assert [hit.vector_rank for hit in hits] == [1, 1, 1]


def test_characters_with_a_meaning_in_fts5_are_ordinary(make_index: MakeIndex) -> None:
    with make_index(a='C++ "quoted" AND NOT (x)') as index:
        for query in ('"', "AND", "NOT (", "*", "x:y", 'a" OR "b', "-x", "^c"):
            assert len(index.search(query)) == 1


def test_a_reranker_orders_the_first_hits(make_index: MakeIndex) -> None:
    class Longest:
        """Prefers long documents."""

        def rank(
            self, query: str, documents: Sequence[str], *, top_k: int | None = None
        ) -> list[dict[str, Any]]:
            order = sorted(range(len(documents)), key=lambda place: -len(documents[place]))
            return [{"corpus_id": place, "score": 0.5} for place in order][:top_k]

    with make_index(a="사과", b="사과 바나나 체리", c="사과 바나나") as index:
        hits = index.search("사과", limit=2, reranker=Longest())
    assert [(hit.file, hit.score, hit.reranked) for hit in hits] == [
        ("b.md", 0.5, True),
        ("c.md", 0.5, True),
    ]
    assert hits[0].word_rank == 3


def test_an_empty_index_finds_nothing(make_index: MakeIndex) -> None:
    with make_index() as index:
        assert index.search("사과") == []


def test_stats(make_index: MakeIndex, tmp_path: Path) -> None:
    with make_index(a="# 가\n\n하나\n\n# 나\n\n둘", b="셋", empty="") as index:
        stats = index.stats()
    assert (stats.files, stats.passages, stats.skipped) == (2, 3, {"no text": 1})
    assert stats.root == tmp_path / "documents"
    assert (stats.variant, stats.dimension, stats.identity["source"]) == ("fake", 64, "fake")
    assert stats.bytes == (tmp_path / "index.sqlite3").stat().st_size
    assert stats.updated is not None


def test_many_threads_search_while_the_index_grows(
    make_index: MakeIndex, write_files: WriteFiles, model: FakeEmbedder, tmp_path: Path
) -> None:
    failures: list[BaseException] = []
    stop = threading.Event()

    def search() -> None:
        try:
            while not stop.is_set():
                assert index.search("사과")[0].file == "a.md"
        except BaseException as error:
            failures.append(error)

    with make_index(a="사과") as index:
        threads = [threading.Thread(target=search) for _ in range(4)]
        for thread in threads:
            thread.start()
        for n in range(20):
            folder = write_files({f"{n}.txt": f"글 {n}"})
            update(tmp_path / "index.sqlite3", folder, model)
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert index.stats().passages == 21


def test_bad_arguments_and_use_after_close(make_index: MakeIndex) -> None:
    index = make_index(a="사과")
    with pytest.raises(InputError, match="empty"):
        index.search("  ")
    with pytest.raises(InputError, match="limit is 0"):
        index.search("사과", limit=0)
    index.close()
    with pytest.raises(ClosedError):
        index.search("사과")


def test_another_model_is_refused_with_the_way_out(make_index: MakeIndex, tmp_path: Path) -> None:
    make_index(a="사과").close()
    with pytest.raises(IndexModelError, match="search with the bundle inside the package"):
        Index.open(tmp_path / "index.sqlite3", FakeEmbedder(dimension=32))


def test_files_that_are_no_index(
    make_index: MakeIndex, model: FakeEmbedder, tmp_path: Path
) -> None:
    with pytest.raises(IndexNotFoundError, match="ondol index"):
        Index.open(tmp_path / "none.sqlite3", model)

    (tmp_path / "empty.sqlite3").touch()
    with pytest.raises(IndexNotFoundError, match="is empty"):
        Index.open(tmp_path / "empty.sqlite3", model)

    (tmp_path / "text.sqlite3").write_text("no database " * 100)
    with pytest.raises(IndexDamagedError, match="remove it and index again"):
        Index.open(tmp_path / "text.sqlite3", model)

    apsw.Connection(str(tmp_path / "other.sqlite3")).execute("CREATE TABLE t (x)")
    with pytest.raises(IndexFormatError, match="no index of ondol"):
        Index.open(tmp_path / "other.sqlite3", model)

    make_index(a="사과").close()
    newer = apsw.Connection(str(tmp_path / "index.sqlite3"))
    newer.pragma("user_version", 99)
    newer.close()
    with pytest.raises(IndexFormatError, match=r"schema 99; .* update ondol"):
        Index.open(tmp_path / "index.sqlite3", model)


def test_a_damaged_page_is_an_error_of_ours(
    make_index: MakeIndex, model: FakeEmbedder, tmp_path: Path
) -> None:
    make_index(**{f"n{n}": f"글 {n}" for n in range(50)}).close()
    path = tmp_path / "index.sqlite3"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)  # the first page has the header
    path.write_bytes(content)
    with pytest.raises(IndexDamagedError, match="damaged"):
        Index.open(path, model).search("글")
