"""Sentence ends of Korean and English."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.search.sentences import lines, sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("제주도는 섬이다. 서울은 도시다.", ["제주도는 섬이다.", "서울은 도시다."]),
        ("정말요? 네! 그렇습니다…", ["정말요?", "네!", "그렇습니다…"]),
        ("마침표 없이 끝났다\n다음 줄이다", ["마침표 없이 끝났다", "다음 줄이다"]),
        ("줄이 바뀌어도\n문장은 하나다.", ["줄이 바뀌어도\n문장은 하나다."]),
        ('"간다." 그가 말했다.', ['"간다."', "그가 말했다."]),
        ("It is 3.5 mm. It fits.", ["It is 3.5 mm.", "It fits."]),
        ("Dr. Kim met J. Smith, e.g. here. Then left.",
         ["Dr. Kim met J. Smith, e.g. here.", "Then left."]),
        ("- first\n- second", ["- first", "- second"]),
        ("  one  ", ["one"]),
    ],
)  # fmt: skip
def test_sentences(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@given(st.text(alphabet="가다.!?\n ab\"'-1)", max_size=60))
def test_no_character_is_lost_and_none_comes_twice(text: str) -> None:
    spans = sentences(text)
    covered = [index for start, end in spans for index in range(start, end)]
    assert covered == sorted(set(covered))
    assert all(text[index].isspace() for index in set(range(len(text))) - set(covered))


def test_lines_keep_their_indentation() -> None:
    text = "def f():\n    return 1\n\n"
    assert [text[a:b] for a, b in lines(text)] == ["def f():", "    return 1"]
