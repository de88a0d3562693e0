"""A Hugging Face Unigram tokenizer in the terms of llama.cpp's tokenizer "t5" (UGM).

llama.cpp (src/llama-vocab.cpp, llm_tokenizer_ugm) does what SentencePiece does: normalise with the
precompiled charsmap, merge spaces, prefix one, then the best path by score. A tokenizer.json says
the same in parts that can be combined freely; what llama.cpp cannot reproduce is refused here.
"""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ondol.errors import ConversionError


class TokenKind(IntEnum):
    """llama.h, enum llama_token_type, as far as a Unigram vocabulary needs it."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4


@dataclass(frozen=True)
class UgmTokenizer:
    """What a GGUF file says about its tokenizer.

    Attributes:
        pieces: the token texts, by id.
        scores: log probabilities, by id.
        kinds: by id.
        charsmap: SentencePiece's precompiled normalisation; empty if the tokenizer has none.
        add_space_prefix: a space before every stretch of text.
        remove_extra_whitespaces: spaces merged and trimmed.
        bos, eos: ids put around every text, None for neither.
        unk: id of the unknown token.
        pad, mask: ids, None if the vocabulary has no such token.
    """

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    kinds: tuple[TokenKind, ...]
    charsmap: bytes
    add_space_prefix: bool
    remove_extra_whitespaces: bool
    bos: int | None
    eos: int | None
    unk: int
    pad: int | None
    mask: int | None


def ugm_tokenizer(tokenizer: Mapping[str, Any]) -> UgmTokenizer:
    """Read a parsed tokenizer.json.

    Raises ConversionError for anything but a Unigram model without byte fallback, and for a
    normalizer, pre-tokenizer or post-processor that llama.cpp's UGM tokenizer does not have.
    """
    model = tokenizer["model"]
    if model.get("type") != "Unigram" or model.get("unk_id") is None:
        raise _unsupported("model", model.get("type"), "a Unigram model with an unk_id")
    if model.get("byte_fallback"):
        raise _unsupported("byte_fallback", True, "false: llama.cpp's UGM has no byte tokens")
    pieces = [str(piece) for piece, _ in model["vocab"]]
    scores = [float(score) for _, score in model["vocab"]]
    kinds = [TokenKind.NORMAL] * len(pieces)
    special_ids = {}
    for added in sorted(tokenizer.get("added_tokens") or (), key=lambda token: int(token["id"])):
        index, text = int(added["id"]), str(added["content"])
        if index == len(pieces):  # An added token past the model's own vocabulary.
            pieces.append(text)
            scores.append(0.0)
            kinds.append(TokenKind.NORMAL)
        if index > len(pieces) or pieces[index] != text:
            raise ConversionError(
                f"tokenizer.json: the added token {text!r} has id {index}, but the vocabulary's "
                f"entry {index} is another one or missing; expected consecutive ids"
            )
        kinds[index] = TokenKind.CONTROL if added["special"] else TokenKind.USER_DEFINED
        special_ids[text] = index
    kinds[model["unk_id"]] = TokenKind.UNKNOWN
    # llama.cpp asserts on this (GGML_ASSERT on id_to_token and token_to_id), that is, it aborts.
    if len(set(pieces)) != len(pieces):
        repeated = Counter(pieces).most_common(1)[0][0]
        raise ConversionError(f"tokenizer.json: the piece {repeated!r} occurs twice")

    charsmap, merges_spaces = _normalizer(tokenizer.get("normalizer"))
    prefix, splits_spaces = _pre_tokenizer(tokenizer.get("pre_tokenizer"))
    bos, eos = _post_processor(tokenizer.get("post_processor"))
    return UgmTokenizer(
        pieces=tuple(pieces),
        scores=tuple(scores),
        kinds=tuple(kinds),
        charsmap=charsmap,
        add_space_prefix=prefix,
        remove_extra_whitespaces=merges_spaces or splits_spaces,
        bos=bos,
        eos=eos,
        unk=int(model["unk_id"]),
        pad=special_ids.get("<pad>"),
        mask=special_ids.get("<mask>"),
    )


def _normalizer(normalizer: Mapping[str, Any] | None) -> tuple[bytes, bool]:
    """The charsmap, and whether runs of spaces become one."""
    charsmap, merges = b"", False
    for part in _parts(normalizer, "normalizers"):
        if part["type"] == "Precompiled" and not charsmap:
            charsmap = base64.b64decode(part["precompiled_charsmap"])
        elif part["type"] == "Replace" and part.get("pattern") == {"Regex": " {2,}"}:
            merges = True
        elif part["type"] != "Strip":  # Strip is part of llama.cpp's merging of spaces.
            raise _unsupported("normalizer", part["type"], "Precompiled, Strip, Replace of spaces")
    return charsmap, merges


def _pre_tokenizer(pre_tokenizer: Mapping[str, Any] | None) -> tuple[bool, bool]:
    """Whether a space is prefixed, and whether text is split at whitespace, which drops runs."""
    prefix, splits = False, False
    for part in _parts(pre_tokenizer, "pretokenizers"):
        if part["type"] == "WhitespaceSplit":
            splits = True
        elif part["type"] == "Metaspace" and part.get("replacement") == "▁":
            # Before tokenizers 0.15 the scheme was a boolean.
            scheme = part.get("prepend_scheme") or (
                "always" if part.get("add_prefix_space", True) else "never"
            )
            if scheme not in ("always", "never"):
                raise _unsupported("prepend_scheme", scheme, "always or never")
            prefix = scheme == "always"
        else:
            raise _unsupported("pre_tokenizer", part["type"], "WhitespaceSplit and Metaspace")
    return prefix, splits


def _post_processor(processor: Mapping[str, Any] | None) -> tuple[int | None, int | None]:
    """The ids that go before and after a single text."""
    around: list[int | None] = [None, None]
    seen_text = False
    for part in _parts(processor, "processors"):
        if part["type"] in ("BertProcessing", "RobertaProcessing"):
            return int(part["cls"][1]), int(part["sep"][1])
        if part["type"] != "TemplateProcessing":
            raise _unsupported("post_processor", part["type"], "TemplateProcessing")
        for step in part["single"]:
            if "Sequence" in step:
                seen_text = True
                continue
            (index,) = part["special_tokens"][step["SpecialToken"]["id"]]["ids"]
            if around[seen_text] is not None:
                raise _unsupported("post_processor", part["single"], "one token on each side")
            around[seen_text] = int(index)
    return around[0], around[1]


def _parts(component: Mapping[str, Any] | None, key: str) -> Iterator[Mapping[str, Any]]:
    """The component itself, or what a Sequence of them holds."""
    if component is None:
        return
    if component["type"] == "Sequence":
        for part in component[key]:
            yield from _parts(part, key)
    else:
        yield component


def _unsupported(part: str, got: object, expected: str) -> ConversionError:
    return ConversionError(
        f"tokenizer.json: {part} is {got!r}, which llama.cpp's tokenizer cannot reproduce; "
        f"expected {expected}. Build without the gguf variants instead."
    )
