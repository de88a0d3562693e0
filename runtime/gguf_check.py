"""Is this GGUF file an encoder as `ondol build` writes it? llama.cpp aborts the process on others.

llama.cpp checks what a file says of its vocabulary with GGML_ASSERT, which ends the process, and
follows some keys out of the file: `split.count` makes it open others. So every key and every tensor
is compared with what the writer writes, and anything else is refused unopened.
"""

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ondol.errors import BundleError
from ondol.runtime.gguf_header import Array, GgufHeader, Scalar, TensorInfo, ValueType, read_header

#: Keys that every file has, and the type of each.
_REQUIRED = {
    "general.architecture": ValueType.STRING,
    "bert.context_length": ValueType.UINT32,
    "bert.embedding_length": ValueType.UINT32,
    "bert.feed_forward_length": ValueType.UINT32,
    "bert.block_count": ValueType.UINT32,
    "bert.attention.head_count": ValueType.UINT32,
    "bert.attention.layer_norm_epsilon": ValueType.FLOAT32,
    "bert.attention.causal": ValueType.BOOL,
    "bert.pooling_type": ValueType.UINT32,
    "tokenizer.ggml.model": ValueType.STRING,
    "tokenizer.ggml.token_type_count": ValueType.UINT32,
    "tokenizer.ggml.unknown_token_id": ValueType.UINT32,
}
_REQUIRED_ARRAYS = {
    "tokenizer.ggml.tokens": ValueType.STRING,
    "tokenizer.ggml.scores": ValueType.FLOAT32,
    "tokenizer.ggml.token_type": ValueType.INT32,
}
#: Keys that a file may have.
_OPTIONAL = {
    "general.type": ValueType.STRING,
    "general.name": ValueType.STRING,
    "general.file_type": ValueType.UINT32,
    "general.quantization_version": ValueType.UINT32,
    "tokenizer.ggml.pre": ValueType.STRING,
    "tokenizer.ggml.add_space_prefix": ValueType.BOOL,
    "tokenizer.ggml.remove_extra_whitespaces": ValueType.BOOL,
    "tokenizer.ggml.add_bos_token": ValueType.BOOL,
    "tokenizer.ggml.add_eos_token": ValueType.BOOL,
    "tokenizer.ggml.bos_token_id": ValueType.UINT32,
    "tokenizer.ggml.cls_token_id": ValueType.UINT32,
    "tokenizer.ggml.eos_token_id": ValueType.UINT32,
    "tokenizer.ggml.seperator_token_id": ValueType.UINT32,
    "tokenizer.ggml.padding_token_id": ValueType.UINT32,
    "tokenizer.ggml.mask_token_id": ValueType.UINT32,
}
_CHARSMAP = "tokenizer.ggml.precompiled_charsmap"
_OPTIONAL_ARRAYS = {_CHARSMAP: ValueType.UINT8}

#: llama.cpp's trie of the vocabulary calls itself once for every byte of a token
#: (src/llama-vocab.cpp, naive_trie::insert), on a stack of 8 MiB and in threads of less.
_MAX_TOKEN_BYTES = 1024

#: include/llama.h, enum llama_pooling_type: mean, cls, last, rank.
_POOLING_TYPES = (1, 2, 3, 4)


def check_gguf(path: Path) -> None:
    """Refuse a file that llama.cpp could not read without harm.

    Raises BundleError, with the key or tensor, for anything that `ondol build` does not write.
    """
    header = read_header(path)
    try:
        _check_keys(header.keys)
        vocabulary = _check_vocabulary(header.keys)
        _check_tensors(header, vocabulary)
    except _UnfitError as fault:
        raise BundleError(
            f"cannot load {path}: {fault}; expected a GGUF file as `ondol build` writes it"
        ) from None


class _UnfitError(Exception):
    """What is wrong with a file, in words that follow its name."""


def _check_keys(keys: Mapping[str, Scalar | Array]) -> None:
    architecture = keys.get("general.architecture")
    if not isinstance(architecture, Scalar) or architecture.value != "bert":
        stated = architecture.value if isinstance(architecture, Scalar) else None
        raise _UnfitError(f"its architecture is {stated!r:.80}, expected 'bert'")
    for kinds, form in (
        ({**_REQUIRED, **_OPTIONAL}, Scalar),
        ({**_REQUIRED_ARRAYS, **_OPTIONAL_ARRAYS}, Array),
    ):
        for name, kind in kinds.items():
            found = keys.get(name)
            if found is not None and not (isinstance(found, form) and found.type is kind):
                raise _UnfitError(f"its key {name} is not {form.__name__.lower()} of {kind.name}")
    missing = (_REQUIRED | _REQUIRED_ARRAYS).keys() - keys.keys()
    known = _REQUIRED | _REQUIRED_ARRAYS | _OPTIONAL | _OPTIONAL_ARRAYS
    unknown = keys.keys() - known.keys()
    if missing or unknown:
        what = "lacks the key" if missing else "has the unknown key"
        raise _UnfitError(f"it {what} {min(missing or unknown)}")
    if _scalar(keys, "tokenizer.ggml.model") != "t5":
        raise _UnfitError("its tokenizer is none of the kind 't5'")
    if _scalar(keys, "bert.attention.causal"):
        raise _UnfitError("its attention is causal, which no encoder's is")
    if _scalar(keys, "bert.pooling_type") not in _POOLING_TYPES:
        raise _UnfitError(f"its pooling type is {_scalar(keys, 'bert.pooling_type')}")
    epsilon = _scalar(keys, "bert.attention.layer_norm_epsilon")
    if not (math.isfinite(epsilon) and 0 <= epsilon < 1):
        raise _UnfitError(f"its layer_norm_epsilon is {epsilon}")
    hidden, heads = (
        _scalar(keys, "bert.embedding_length"),
        _scalar(keys, "bert.attention.head_count"),
    )
    if not heads or hidden % heads:
        raise _UnfitError(f"{heads:,} heads do not divide {hidden:,} columns")


def _check_vocabulary(keys: Mapping[str, Scalar | Array]) -> int:
    """Returns the number of tokens."""
    tokens = _array(keys, "tokenizer.ggml.tokens")
    for name in ("tokenizer.ggml.scores", "tokenizer.ggml.token_type"):
        if (count := _array(keys, name).count) != tokens.count:
            raise _UnfitError(f"it has {tokens.count:,} tokens but {count:,} values in {name}")
    lengths = set(map(len, tokens.items))
    if not tokens.count or not lengths <= set(range(1, _MAX_TOKEN_BYTES + 1)):
        raise _UnfitError(
            f"it has a token of no bytes or of more than {_MAX_TOKEN_BYTES:,}, or none"
        )
    # GGML_ASSERT(id_to_token.size() == token_to_id.size())
    if len(set(tokens.items)) != tokens.count:
        raise _UnfitError("it has a token twice")
    for name in keys:
        if name.endswith("_token_id") and _scalar(keys, name) >= tokens.count:
            raise _UnfitError(f"its {name} is {_scalar(keys, name):,} of {tokens.count:,} tokens")
    if _CHARSMAP in keys:
        _check_charsmap(_array(keys, _CHARSMAP).raw)
    return tokens.count


def _check_charsmap(charsmap: bytes) -> None:
    """SentencePiece's normalisation: a length, so many bytes of a trie of 32-bit units, and texts
    that each end with a zero byte (src/normalizer.cc, DecodePrecompiledCharsMap).
    """
    trie = struct.unpack_from("<I", charsmap)[0] if len(charsmap) > 4 else 0
    if not trie or trie % 4 or 4 + trie >= len(charsmap) or charsmap[-1] != 0:
        raise _UnfitError(f"its {_CHARSMAP} of {len(charsmap):,} bytes is damaged")


def _check_tensors(header: GgufHeader, vocabulary: int) -> None:
    expected = _expected_shapes(header, vocabulary)
    found = {tensor.name: tensor for tensor in header.tensors}
    if found.keys() != expected.keys():
        name = min(found.keys() ^ expected.keys())
        raise _UnfitError(
            f"it {'lacks the' if name in expected else 'has the unknown'} tensor {name}"
        )
    for name, shape in expected.items():
        tensor = found[name]
        if _without_ones(tensor.shape) != _without_ones(shape):
            raise _UnfitError(f"its tensor {name} has the shape {tensor.shape}, expected {shape}")
        if _always_float(tensor) and tensor.type != "F32":
            raise _UnfitError(f"its tensor {name} is {tensor.type}, expected F32")


def _expected_shapes(header: GgufHeader, vocabulary: int) -> dict[str, tuple[int, ...]]:
    keys = header.keys
    hidden, wide = (
        _scalar(keys, "bert.embedding_length"),
        _scalar(keys, "bert.feed_forward_length"),
    )
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (hidden, vocabulary),
        "position_embd.weight": (hidden, _scalar(keys, "bert.context_length")),
        "token_types.weight": (hidden, _scalar(keys, "tokenizer.ggml.token_type_count")),
        "token_embd_norm.weight": (hidden,),
        "token_embd_norm.bias": (hidden,),
    }
    if any(tensor.name.startswith("cls") for tensor in header.tensors):
        shapes |= {
            "cls.weight": (hidden, hidden),
            "cls.bias": (hidden,),
            "cls.output.weight": (hidden, 1),
            "cls.output.bias": (1,),
        }
    # What is stated may be any number; what is there is bounded by the file.
    for layer in range(min(_scalar(keys, "bert.block_count"), len(header.tensors))):
        for name, columns, rows in (
            ("attn_q", hidden, hidden),
            ("attn_k", hidden, hidden),
            ("attn_v", hidden, hidden),
            ("attn_output", hidden, hidden),
            ("ffn_up", hidden, wide),
            ("ffn_down", wide, hidden),
        ):
            shapes[f"blk.{layer}.{name}.weight"] = (columns, rows)
            shapes[f"blk.{layer}.{name}.bias"] = (rows,)
        for name in ("attn_output_norm", "layer_output_norm"):
            shapes[f"blk.{layer}.{name}.weight"] = (hidden,)
            shapes[f"blk.{layer}.{name}.bias"] = (hidden,)
    return shapes


def _always_float(tensor: TensorInfo) -> bool:
    """llama.cpp adds and multiplies these as they are."""
    small = tensor.name.endswith((".bias", "_norm.weight"))
    return small or tensor.name in ("position_embd.weight", "token_types.weight")


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """ggml fills a shape up with ones."""
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _scalar(keys: Mapping[str, Scalar | Array], name: str) -> Any:
    value = keys[name]
    assert isinstance(value, Scalar)
    return value.value


def _array(keys: Mapping[str, Scalar | Array], name: str) -> Array:
    value = keys[name]
    assert isinstance(value, Array)
    return value
