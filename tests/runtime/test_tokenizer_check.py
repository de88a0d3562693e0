"""Tokenizers that could do harm are refused, and odd ones that cannot are not."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from ondol.errors import BundleError
from ondol.runtime.tokenizer_check import check_tokenizer


def check(content: dict[str, Any]) -> None:
    check_tokenizer(Tokenizer.from_str(json.dumps(content)), Path("tokenizer.json"))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"normalizer": {"type": "Sequence", "normalizers": []}},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": []}},
        {"post_processor": {"type": "Sequence", "processors": []}},
    ],
)
def test_what_is_taken(tiny_tokenizer: dict[str, Any], change: dict[str, Any]) -> None:
    check({**tiny_tokenizer, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"normalizer": {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 99}},
            "its normalizer replaces",
        ),
        (
            {
                "pre_tokenizer": {
                    "type": "ByteLevel",
                    "add_prefix_space": False,
                    "trim_offsets": True,
                }
            },
            "its pre_tokenizer has the part 'ByteLevel'",
        ),
        (
            {"post_processor": {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["x", 17]}},
            "its post_processor has the id 17 of 17",
        ),
        (
            {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}},
            "its model is WordLevel, expected Unigram",
        ),
    ],
)
def test_what_is_refused(
    tiny_tokenizer: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        check({**tiny_tokenizer, **change})
