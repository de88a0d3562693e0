"""The texts: the same every time, short and long, and of exactly the lengths that are promised."""

from collections.abc import Sequence

import pytest

from ondol.benchmarks.workload import (
    LENGTHS,
    PASSAGES,
    QUERIES,
    mixed_texts,
    single_texts,
    text_of_length,
)
from ondol.errors import InputError
from ondol.runtime.default import default_bundle
from ondol.runtime.tokenize import TextTokenizer


def count_words(texts: Sequence[str]) -> list[int]:
    """A tokenizer of whole words, with two special tokens."""
    return [len(text.split()) + 2 for text in texts]


def test_the_mix_is_the_same_at_every_call_and_mixed() -> None:
    texts = mixed_texts()
    assert texts == mixed_texts()
    words = [len(text.split()) for text in texts]
    assert len(texts) == QUERIES + PASSAGES
    assert sum(count <= 8 for count in words) >= QUERIES
    assert sum(count >= 20 for count in words) == PASSAGES
    korean = sum(any("가" <= character <= "힣" for character in text) for text in texts)
    assert abs(korean - len(texts) / 2) <= 4  # some English lines quote a Korean word
    # Not the short ones first: a plan by length would otherwise find its work done.
    assert words != sorted(words)


def test_single_texts_have_exactly_the_promised_tokens() -> None:
    tokenizer = TextTokenizer(default_bundle() / "tokenizer.json", max_tokens=1024)
    texts = single_texts(lambda some: [len(ids) for ids in tokenizer(some).ids], 512)
    assert tuple(texts) == LENGTHS
    assert [len(ids) for ids in tokenizer(list(texts.values())).ids] == list(LENGTHS)


def test_lengths_that_the_model_does_not_take_are_left_out() -> None:
    assert list(single_texts(count_words, 128)) == [16, 64]
    assert list(single_texts(count_words, 12)) == [12]


def test_words_that_no_longer_fit_are_left_out() -> None:
    def count_letters(texts: Sequence[str]) -> list[int]:
        return [len(text.replace(" ", "")) + 2 for text in texts]

    assert text_of_length(count_letters, ["aaa", "bbbb", "c", "d"], 2 + 5) == "aaa c d"


def test_too_few_words_are_an_error() -> None:
    with pytest.raises(InputError, match="expected words that have 9 tokens together, found 4"):
        text_of_length(count_words, ["a", "b"], 9)
