"""Choosing rows by rule, rate and size."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.errors import InputError
from ondol.vocab_prune.select import ALPHABET_RATE, Rates, select
from ondol.vocab_prune.unigram import UnigramVocabulary

#: Ids 0 and 1 are special, 8 has the lowest score. The alphabet: 2, 3 (characters) and 4 (a word).
PIECES = ("<s>", "<unk>", "가", "나", "가나", "▁the", "▁cat", "▁der", "▁xyz")
FULL = UnigramVocabulary(PIECES, tuple(-float(i) for i in range(len(PIECES))), 1, frozenset({0, 1}))
ALPHABET = frozenset({2, 3, 4})


def rates(**values: float) -> dict[str, Rates]:
    """One language; a piece per keyword, by its name without `▁`."""
    result = np.zeros(len(PIECES))
    for name, value in values.items():
        result[[i for i, p in enumerate(PIECES) if p.lstrip("▁") == name]] = value
    return {"en": result}


def names(ids: tuple[int, ...]) -> list[str]:
    return [PIECES[index] for index in ids]


COUNTS = rates(the=0.5, cat=0.1, 나=0.04, der=ALPHABET_RATE / 2)


@pytest.mark.parametrize(
    ("size", "added"),
    [
        (4, "▁the"),
        (5, "나"),  # a character weighs three times its rate, so it comes before ▁cat
        (6, "▁cat"),
        (7, "가"),  # the unseen alphabet: its characters first,
        (8, "가나"),  # then its words,
        (9, "▁der"),  # all before what occurs less than once in a million tokens
    ],
)
def test_order_of_importance(size: int, added: str) -> None:
    smaller = (
        {"<s>", "<unk>", "▁xyz"}
        if size == 4
        else set(names(select(FULL, ALPHABET, COUNTS, size - 1).kept))
    )
    kept = select(FULL, ALPHABET, COUNTS, size).kept
    assert set(names(kept)) - smaller == {added}
    assert list(kept) == sorted(kept)


def test_report() -> None:
    result = select(FULL, ALPHABET, COUNTS, 6)
    assert names(result.kept) == ["<s>", "<unk>", "나", "▁the", "▁cat", "▁xyz"]
    assert (result.required, result.alphabet, result.counted) == (3, 1, 2)
    assert names(result.alphabet_dropped) == ["가", "가나"]
    assert names(result.counted_dropped) == ["▁der"]
    assert result.lost_rate == {"en": pytest.approx(ALPHABET_RATE / 2)}
    assert result.wanted == 6


def test_rows_that_no_text_uses_are_not_filled_in() -> None:
    result = select(FULL, ALPHABET, rates(the=0.5), 9)
    assert names(result.kept) == ["<s>", "<unk>", "가", "나", "가나", "▁the", "▁xyz"]
    assert result.wanted == 9


def test_languages_count_alike() -> None:
    two = {"en": rates(the=0.2)["en"], "ko": rates(cat=0.3)["en"]}
    assert names(select(FULL, frozenset(), two, 4).kept) == ["<s>", "<unk>", "▁cat", "▁xyz"]


def test_ties_go_to_the_higher_score() -> None:
    result = select(FULL, frozenset(), rates(the=0.1, cat=0.1, der=0.1), 4)
    assert names(result.kept) == ["<s>", "<unk>", "▁the", "▁xyz"]


@pytest.mark.parametrize("size", [-1, 0, 3])
def test_too_small_a_size(size: int) -> None:
    with pytest.raises(InputError, match=f"size {size} is too small.*at least 4"):
        select(FULL, ALPHABET, COUNTS, size)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "no counts"),
        ({"ko": np.zeros(3)}, r"'ko' have shape \(3,\); the vocabulary has 9"),
        (rates(the=-1.0), "negative number or NaN"),
        (rates(the=float("nan")), "negative number or NaN"),
    ],
)
def test_unusable_counts(counts: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        select(FULL, ALPHABET, counts, 6)


@given(
    st.lists(st.sampled_from([0.0, 1e-9, 1e-6, 2e-6, 0.1]), min_size=9, max_size=9),
    st.frozensets(st.integers(2, 8)),
    st.integers(4, 12),
)
def test_smaller_is_a_subset_of_larger(
    values: list[float], alphabet: frozenset[int], size: int
) -> None:
    counts = {"ko": np.array(values)}
    small, large = (select(FULL, alphabet, counts, n) for n in (size, size + 1))
    assert set(small.kept) <= set(large.kept)
    assert len(small.kept) <= size
    assert {0, 1, FULL.lowest_scored} <= set(small.kept)
    assert len(small.kept) == small.required + small.alphabet + small.counted
    useful = {i for i in range(9) if values[i] > 0} | alphabet | {0, 1, 8}
    assert set(small.kept) | set(small.alphabet_dropped) | set(small.counted_dropped) == useful | (
        {0, 1, 8}
    )
