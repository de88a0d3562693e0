"""How documents are split; a token is a word here."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.search.document import Document
from ondol.search.passages import Passage, passages
from ondol.search.readers import read


def words(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in re.finditer(r"\S+", text)]


def pairs(text: str) -> list[tuple[int, int]]:
    """Two characters a token, as pieces of words are."""
    return [span for a, b in words(text) for span in ((i, min(i + 2, b)) for i in range(a, b, 2))]


def split(text: str, *, kind: str = "markdown", size: int = 8, overlap: int = 0) -> list[Passage]:
    return list(passages(document(text, kind), words, size=size, overlap=overlap))


def document(text: str, kind: str = "markdown") -> Document:
    return read(kind, text.encode())


def test_paragraphs_share_a_passage_while_they_fit() -> None:
    found = split("a b c\n\nd e\n\nf g h i j k", kind="plain")
    assert [passage.text for passage in found] == ["a b c\n\nd e", "f g h i j k"]
    assert [(passage.first, passage.last) for passage in found] == [(1, 3), (5, 5)]


def test_a_heading_begins_a_passage_and_goes_before_those_below_it() -> None:
    found = split("# 여행\n\n개요다.\n\n## 제주\n\n섬이다. 크다.\n\n# 음식\n\n맛있다.", size=20)
    assert [(passage.context, passage.text) for passage in found] == [
        ("", "# 여행\n\n개요다."),
        ("여행", "## 제주\n\n섬이다. 크다."),
        ("", "# 음식\n\n맛있다."),
    ]
    assert [passage.headings for passage in found] == [("여행",), ("여행", "제주"), ("음식",)]
    assert found[1].embedded == "여행\n## 제주\n\n섬이다. 크다."


def test_the_second_passage_of_a_section_has_its_heading_before_it() -> None:
    found = split("# T\n\na b c. d e f.\n\ng h i. j k l.", size=9)
    assert [passage.embedded for passage in found] == [
        "# T\n\na b c. d e f.",
        "T\ng h i. j k l.",
    ]


def test_a_paragraph_that_does_not_fit_is_split_between_sentences() -> None:
    found = split("a b c. d e f. g h i. j k.", size=6)
    assert [passage.text for passage in found] == ["a b c. d e f.", "g h i. j k."]


def test_the_next_passage_repeats_whole_sentences() -> None:
    found = split("a b. c d. e f. g h. i j.", size=6, overlap=3)
    assert [passage.text for passage in found] == ["a b. c d. e f.", "e f. g h. i j."]


def test_a_sentence_that_does_not_fit_is_split_between_words() -> None:
    found = list(passages(document("abcd efgh ijkl"), pairs, size=3, overlap=0))
    assert [passage.text for passage in found] == ["abcd", "efgh", "ijkl"]


def test_a_word_longer_than_a_passage_is_split_as_it_has_to_be() -> None:
    found = list(passages(document("abcdefghij"), pairs, size=2, overlap=0))
    assert [passage.text for passage in found] == ["abcd", "efgh", "ij"]


def test_source_is_split_by_lines() -> None:
    found = split("def f(a. b):\n    return a. b\n", kind="source", size=3)
    assert [passage.text for passage in found] == ["def f(a. b):", "    return a. b"]


def test_a_file_that_is_one_line_is_looked_at_piece_by_piece() -> None:
    longest = 0

    def spans(text: str) -> list[tuple[int, int]]:
        nonlocal longest
        longest = max(longest, len(text))
        return pairs(text)

    text = "abcdef " * 2000 + "g" * 5000
    found = list(passages(document(text, "source"), spans, size=10, overlap=0))
    joined = "".join(passage.text for passage in found)
    assert joined.replace(" ", "") == text.replace(" ", "")
    assert longest <= 160


MARKDOWN = st.lists(
    st.sampled_from(
        ["# 제목\n", "## b b\n", "\n", "가나 다. ", "a b c.\n", "- x\n", "긴" * 9 + " "]
    ),
    min_size=1,
    max_size=25,
).map("".join)


@given(MARKDOWN, st.integers(4, 12), st.integers(0, 3))
def test_no_word_is_lost_and_none_is_too_long(text: str, size: int, overlap: int) -> None:
    if not text.strip():
        return
    whole = document(text)
    found = list(passages(whole, pairs, size=size, overlap=overlap))
    covered = {index for passage in found for index in range(passage.start, passage.end)}
    missing = set(range(len(whole.text))) - covered
    assert all(whole.text[index].isspace() for index in missing)
    for passage in found:
        assert passage.text == whole.text[passage.start : passage.end]
        assert 0 < len(pairs(passage.embedded)) <= size
    assert all(a.start < b.start and a.end < b.end for a, b in pairwise(found))


@pytest.mark.parametrize("size", [1, 2])
def test_it_ends_however_small_a_passage_is(size: int) -> None:
    found = list(passages(document("# a\n\nb c d. e"), pairs, size=size, overlap=5))
    assert "".join(passage.text for passage in found).replace(" ", "").startswith("#a")
