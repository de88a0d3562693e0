"""tokenizer.json in llama.cpp's terms: what is read, and what is refused."""

import base64
import copy
from collections.abc import Callable
from typing import Any

import pytest

from ondol.convert.gguf_tokenizer import TokenKind, ugm_tokenizer
from ondol.errors import ConversionError

WHITESPACE = {"type": "WhitespaceSplit"}
PRECOMPILED = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(b"map").decode()}
SPACES = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}


def metaspace(**changes: Any) -> dict[str, Any]:
    return {"type": "Metaspace", "replacement": "▁", **changes}


def test_a_form_with_the_spaces_merged_by_the_normalizer(tiny_tokenizer: dict[str, Any]) -> None:
    """As bge-m3's tokenizer.json has it, and with the booleans of tokenizers before 0.15."""
    tiny_tokenizer["normalizer"] = {
        "type": "Sequence",
        "normalizers": [PRECOMPILED, {"type": "Strip"}, SPACES],
    }
    tiny_tokenizer["pre_tokenizer"] = metaspace(add_prefix_space=True)
    tokenizer = ugm_tokenizer(tiny_tokenizer)
    assert tokenizer.charsmap == b"map"
    assert tokenizer.remove_extra_whitespaces
    assert tokenizer.add_space_prefix


def test_no_prefix_and_no_merging(tiny_tokenizer: dict[str, Any]) -> None:
    tiny_tokenizer["pre_tokenizer"] = metaspace(prepend_scheme="never")
    tokenizer = ugm_tokenizer(tiny_tokenizer)
    assert not tokenizer.remove_extra_whitespaces
    assert not tokenizer.add_space_prefix


@pytest.mark.parametrize("kind", ["BertProcessing", "RobertaProcessing"])
def test_other_post_processors(tiny_tokenizer: dict[str, Any], kind: str) -> None:
    tiny_tokenizer["post_processor"] = {"type": kind, "cls": ["<s>", 0], "sep": ["</s>", 2]}
    tokenizer = ugm_tokenizer(tiny_tokenizer)
    assert (tokenizer.bos, tokenizer.eos) == (0, 2)


def test_no_post_processor(tiny_tokenizer: dict[str, Any]) -> None:
    tiny_tokenizer["post_processor"] = None
    tokenizer = ugm_tokenizer(tiny_tokenizer)
    assert (tokenizer.bos, tokenizer.eos) == (None, None)


def test_added_token_past_the_vocabulary(tiny_tokenizer: dict[str, Any]) -> None:
    tiny_tokenizer["added_tokens"].append({"id": 17, "content": "<ko>", "special": False})
    tokenizer = ugm_tokenizer(tiny_tokenizer)
    assert tokenizer.pieces[17] == "<ko>"
    assert tokenizer.kinds[16:] == (TokenKind.CONTROL, TokenKind.USER_DEFINED)


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["model"].update(type="BPE"), "Unigram"),
        (lambda t: t["model"].update(unk_id=None), "unk_id"),
        (lambda t: t["model"].update(byte_fallback=True), "byte_fallback"),
        (lambda t: t.update(normalizer={"type": "NFC"}), "normalizer is 'NFC'"),
        (lambda t: t.update(pre_tokenizer={"type": "Digits"}), "pre_tokenizer is 'Digits'"),
        (lambda t: t.update(pre_tokenizer=metaspace(prepend_scheme="first")), "prepend_scheme"),
        (lambda t: t.update(pre_tokenizer=metaspace(replacement="_")), "Metaspace"),
        (lambda t: t.update(post_processor={"type": "ByteLevel"}), "post_processor is 'ByteLevel'"),
        (
            lambda t: t["post_processor"]["single"].append({"SpecialToken": {"id": "<s>"}}),
            "one token on each side",
        ),
        (lambda t: t["model"]["vocab"].append(["ж", -8.0]), "'ж' occurs twice"),
        (lambda t: t["added_tokens"][0].update(content="<cls>"), "'<cls>' has id 0"),
        (lambda t: t["added_tokens"][0].update(id=40), "has id 40"),
    ],
)
def test_what_llama_cpp_cannot_reproduce_is_refused(
    tiny_tokenizer: dict[str, Any], change: Change, message: str
) -> None:
    ugm_tokenizer(copy.deepcopy(tiny_tokenizer))  # Without the change it is fine.
    change(tiny_tokenizer)
    with pytest.raises(ConversionError, match=message):
        ugm_tokenizer(tiny_tokenizer)
