"""Texts to ids: special tokens, truncation, normal forms, and what is refused."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from ondol.errors import BundleError, InputError
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
