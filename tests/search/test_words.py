"""The terms of the word index."""

import pytest

from ondol.search.words import indexed, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("국내여행지", "국내 내여 여행 행지"),
        ("여행", "여행"),
        ("물 한 잔", "물 한 잔"),
        ("GPT4를 쓴다", "gpt4 를 쓴다"),
        ("Running sessions, ran_once", "run session ran onc"),
        ("東京に行く", "東京 京に に行 行く"),
        ("Straße Ünal", "strass ünal"),
        ("…!?", ""),
    ],
)
def test_terms(text: str, expected: str) -> None:
    assert indexed(text) == expected


def test_a_term_knows_its_characters() -> None:
    text = "나는 제주도에 running"
    assert [(term.value, text[term.start : term.end]) for term in terms(text)] == [
        ("나는", "나는"),
        ("제주", "제주"),
        ("주도", "주도"),
        ("도에", "도에"),
        ("run", "running"),
    ]
