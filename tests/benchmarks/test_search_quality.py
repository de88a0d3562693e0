"""How rankings of a search are scored, and what each way to make terms finds."""

import argparse

import pytest
from program import exit_code
from search_quality import WAYS, Set, compared, word_ranker

from ondol.errors import InputError

DOCUMENTS = ["국내여행지는 섬이다.", "여행지를 고르는 일", "running sessions", "the market"]


def one_set() -> Set:
    return Set("tiny", DOCUMENTS, ["여행", "market", "none"], [{0: 1}, {3: 1}, {2: 1}])


def test_a_ranking_that_ends_early_misses_the_rest() -> None:
    found = one_set().ndcg({"여행": [1, 0], "market": [3], "none": []}.__getitem__)
    assert found.values.tolist() == pytest.approx([0.6309, 1, 0], abs=1e-4)  # 1 / log2(3)


def test_differences_are_to_the_first() -> None:
    base = one_set().ndcg(lambda question: [0])
    better = one_set().ndcg(lambda question: [0, 3])
    scored = compared({"base": base, "better": better})
    assert scored["base"] == {"ndcg_at_10": pytest.approx(1 / 3)}
    assert scored["better"]["value"] == pytest.approx(0.6309 / 3, abs=1e-4)
    assert scored["better"]["low"] <= scored["better"]["value"] <= scored["better"]["high"]


def test_fewer_questions_are_taken_evenly() -> None:
    some = one_set().fewer(2)
    assert list(some.questions) == ["여행", "none"]
    assert list(some.grades) == [{0: 1}, {2: 1}]


@pytest.mark.parametrize(
    ("way", "found"),
    [
        ("words", []),
        ("trigrams inside words", []),
        ("trigrams across words", []),
        ("pairs of syllables", [0, 1]),
        ("pairs and stems", [0, 1]),
    ],
)
def test_a_word_of_two_syllables(way: str, found: list[int]) -> None:
    assert sorted(word_ranker(WAYS[way], DOCUMENTS)("여행")) == found


def test_stems_find_other_forms_of_an_english_word() -> None:
    finds = {name: word_ranker(way, DOCUMENTS)("session runs") for name, way in WAYS.items()}
    assert finds["pairs and stems"] == [2]
    assert finds["pairs of syllables"] == []


def test_an_error_of_ondol_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(options: argparse.Namespace) -> None:
        raise InputError("no such set")

    assert exit_code(fail, argparse.Namespace()) == 1
    assert capsys.readouterr().err == "error: no such set\n"
    assert exit_code(lambda options: None, argparse.Namespace()) == 0
