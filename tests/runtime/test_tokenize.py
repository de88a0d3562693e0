"""Texts to ids: special tokens, truncation, normal forms, and what is refused."""

import json
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ondol.errors import BundleError, InputError
from ondol.runtime.default import default_bundle
from ondol.runtime.tokenize import TextTokenizer


@pytest.fixture
def path(tmp_path: Path, tiny_tokenizer: dict[str, Any]) -> Path:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(tiny_tokenizer), encoding="utf-8")
    return path


def test_ids_by_hand(path: Path) -> None:
    tokenizer = TextTokenizer(path, max_tokens=8)
    assert tokenizer.rows == 17
    assert tokenizer(["한국 a", "", "ab"]).ids == ((0, 9, 7, 2), (0, 2), (0, 11, 2))
    assert tokenizer([]).ids == ()


def test_a_prefix_is_tokenized_together_with_the_text(path: Path) -> None:
    tokenizer = TextTokenizer(path, max_tokens=8)
    assert tokenizer(["b"], prefix="a").ids == ((0, 11, 2),)  # ▁ab, one piece


def test_truncation_keeps_the_final_token_and_is_reported(path: Path) -> None:
    tokenizer = TextTokenizer(path, max_tokens=4)
    result = tokenizer(["a a", "a a a", "a", "a " * 500])
    assert result.ids == ((0, 7, 7, 2), (0, 7, 7, 2), (0, 7, 2), (0, 7, 7, 2))
    assert result.truncated == (1, 3)


def test_padding_and_truncation_of_the_file_are_overruled(
    tmp_path: Path, tiny_tokenizer: dict[str, Any]
) -> None:
    loaded = Tokenizer.from_str(json.dumps(tiny_tokenizer))
    loaded.enable_padding(length=12)
    loaded.enable_truncation(3)
    loaded.save(str(tmp_path / "padded.json"))
    tokenizer = TextTokenizer(tmp_path / "padded.json", max_tokens=6)
    assert tokenizer(["a a"]).ids == ((0, 7, 7, 2),)


def test_decomposed_hangul_needs_a_normal_form(path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "한국")
    assert TextTokenizer(path, max_tokens=8)([decomposed]).ids != ((0, 9, 2),)
    composed = TextTokenizer(path, max_tokens=8, normal_form="NFC")
    assert composed([decomposed]).ids == ((0, 9, 2),)


#: Words, and what could join words: spaces of other kinds, marks, joiners, and U+0600, which takes
#: the character after it into its cluster.
PARTS = [
    "한국",
    "a",
    "Ａ",
    " ",
    " ",
    "\u3000",
    "\n",
    "\u0301",
    "\u1161",
    "\u200d",
    "👩",
    "\u0600",
    "<mask>",
]


@settings(max_examples=200)
@given(parts=st.lists(st.sampled_from(PARTS), max_size=60))
def test_a_long_text_is_not_tokenized_to_its_end_and_nobody_can_tell(parts: list[str]) -> None:
    text = "".join(parts)
    for cutting, whole in cutting_and_whole():
        assert cutting([text]) == whole([text])


@cache
def cutting_and_whole() -> list[tuple[TextTokenizer, TextTokenizer]]:
    """Tokenizers that truncate alike, the first of each pair after cutting early."""
    pairs = []
    for max_tokens in (3, 6, 12):
        cutting, whole = (
            TextTokenizer(default_bundle() / "tokenizer.json", max_tokens=max_tokens)
            for _ in range(2)
        )
        cutting._most_characters = 2 * max_tokens
        pairs.append((cutting, whole))
    return pairs


def test_ten_megabytes_are_cut_before_they_are_tokenized() -> None:
    tokenizer = TextTokenizer(default_bundle() / "tokenizer.json", max_tokens=512)
    words = "온돌은 바닥을 데운다. " * 300_000
    assert len(tokenizer._head(words)) < 20_000
    assert tokenizer([words]) == tokenizer([words[:20_000]])
    assert tokenizer([words]).truncated == (0,)
    blanks = "a" + " " * 100_000 + "b"
    assert tokenizer([blanks]) == tokenizer(["a b"])


@pytest.mark.parametrize("value", [None, 3, b"text", ["nested"]])
def test_what_is_not_a_string_is_named(path: Path, value: Any) -> None:
    kind = type(value).__name__
    with pytest.raises(InputError, match=rf"text 41 is of type {kind}; expected str"):
        TextTokenizer(path, max_tokens=8)(["fine", value], first_index=40)


def test_a_lone_surrogate_is_named(path: Path) -> None:
    with pytest.raises(InputError, match=r"text 1 holds a lone surrogate \(U\+D83D\).*character 2"):
        TextTokenizer(path, max_tokens=8)(["a", "ab\ud83d"])


def test_arguments_and_files_are_checked(path: Path) -> None:
    with pytest.raises(InputError, match="'NFD'; expected None or one of NFC, NFKC"):
        TextTokenizer(path, max_tokens=8, normal_form="NFD")  # type: ignore[arg-type]
    path.write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer\.json"):
        TextTokenizer(path, max_tokens=8)
