"""Which part of a passage is shown, and what in it is marked."""

from hypothesis import given
from hypothesis import strategies as st

from ondol.search.snippet import LENGTH, snippet


def marked(text: str, *wanted: str) -> list[str]:
    part = snippet(text, set(wanted))
    return [part.text[start:end] for start, end in part.highlights]


def test_a_short_text_is_whole_and_on_one_line() -> None:
    part = snippet("제주도로\n  여행을 간다.", {"여행", "제주"})
    assert part.text == "제주도로 여행을 간다."
    assert [part.text[a:b] for a, b in part.highlights] == ["제주", "여행"]


def test_pairs_of_one_word_are_one_mark() -> None:
    assert marked("국내여행지 추천", "여행", "행지") == ["여행지"]


def test_words_are_marked_by_their_stem() -> None:
    assert marked("Sessions were running", "run", "session") == ["Sessions", "running"]


def test_the_part_with_the_most_terms_is_shown() -> None:
    text = "apple " + "x " * 300 + "apple banana cherry " + "y " * 300
    part = snippet(text, {"appl", "banana", "cherri"})
    assert [part.text[a:b] for a, b in part.highlights] == ["apple", "banana", "cherry"]
    assert part.text.startswith("…")
    assert part.text.endswith("…")


def test_without_a_hit_it_is_the_beginning() -> None:
    part = snippet("word " * 100, {"none"})
    assert part.text.startswith("word word")
    assert part.highlights == ()


@given(st.text(alphabet="여행 ab\n", max_size=600))
def test_marks_lie_inside_and_do_not_overlap(text: str) -> None:
    part = snippet(text, {"여행", "ab"})
    assert len(part.text) <= LENGTH + 2
    ends = [0]
    for start, end in part.highlights:
        assert ends[-1] <= start < end <= len(part.text)
        assert set(part.text[start:end]) <= set("여행ab")
        ends.append(end)
