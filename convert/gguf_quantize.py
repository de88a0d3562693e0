"""Quantize a float32 GGUF file with llama.cpp's own quantizer, and say what each tensor became."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ondol.errors import ConversionError
from ondol.runtime.gguf_header import TensorInfo, read_tensors
from ondol.runtime.llama_library import captured_log, llama_library
from ondol.variants import Variant

#: llama.h, enum llama_ftype: what to make of a file, as `llama-quantize` names it.
_FILE_TYPES = {
    Variant.GGUF_Q4_0: 2,
    Variant.GGUF_Q8_0: 7,
    Variant.GGUF_Q5_0: 8,
    Variant.GGUF_Q4_K_M: 15,
}


#: The type of the word embedding, enum ggml_type of ggml.h, where it is not llama.cpp's choice:
#: that is Q8_0 even for q4_0. On the stand-in with 48,000 rows the files became 24% (q5_0) and 33%
#: (q4_0) smaller, and the smallest cosine went from 0.9826 to 0.9812 and from 0.9343 to 0.9353.
#: 384 columns fit the blocks of 32, not those of 256.
_EMBEDDING_TYPES = {Variant.GGUF_Q4_0: 2, Variant.GGUF_Q5_0: 6}


@dataclass(frozen=True)
class TypeTotal:
    """The tensors of one ggml type in a file.

    Attributes:
        names: of the tensors, those of several layers as one: "blk.0-5.attn_q.weight".
    """

    tensors: int
    bytes: int
    names: tuple[str, ...]


def quantize_gguf(source: Path, target: Path, variant: Variant, *, threads: int) -> None:
    """Write `target` from the float32 file `source`; the bytes do not depend on `threads`.

    llama.cpp decides per tensor: norms, biases, positions and segment rows stay float32, and where
    a row is no multiple of a type's block (384 of a K-quant's 256) it takes another type; see
    `tensor_types`.
    Raises ConversionError if llama.cpp refuses, with its own reason; MissingDependencyError
    without llama-cpp-python.
    """
    if variant not in _FILE_TYPES:
        known = ", ".join(str(variant) for variant in _FILE_TYPES)
        raise ConversionError(f"{variant} is not made by llama.cpp's quantizer; expected {known}")
    lib = llama_library("Quantizing GGUF files")
    params = lib.llama_model_quantize_default_params()
    params.ftype = _FILE_TYPES[variant]
    params.nthread = threads
    if variant in _EMBEDDING_TYPES:
        params.token_embedding_type = _EMBEDDING_TYPES[variant]
    with captured_log() as log:
        code = lib.llama_model_quantize(os.fsencode(source), os.fsencode(target), params)
    if code != 0:
        raise ConversionError(
            f"llama.cpp could not quantize {source} to {variant} (code {code}): {log}"
        )


def tensor_types(path: Path) -> dict[str, str]:
    """The ggml type of each tensor of a GGUF file, by tensor name, in the order of the file."""
    return {tensor.name: tensor.type for tensor in read_tensors(path)}


def tensor_totals(path: Path) -> Mapping[str, TypeTotal]:
    """The tensors of each ggml type, the type with most bytes first."""
    by_type: dict[str, list[TensorInfo]] = {}
    for tensor in read_tensors(path):
        by_type.setdefault(tensor.type, []).append(tensor)
    totals = {
        kind: TypeTotal(
            tensors=len(tensors),
            bytes=sum(tensor.bytes for tensor in tensors),
            names=_fold_layers(tensor.name for tensor in tensors),
        )
        for kind, tensors in by_type.items()
    }
    return dict(sorted(totals.items(), key=lambda item: (-item[1].bytes, item[0])))


def _fold_layers(names: Iterable[str]) -> tuple[str, ...]:
    """Names without a layer as they are, the others with all their layers: "blk.0,2-4.x"."""
    layers: dict[str, list[int]] = {}
    for name in names:
        match = re.fullmatch(r"blk\.(\d+)\.(.+)", name)
        layers.setdefault(match[2] if match else name, []).extend([int(match[1])] if match else [])
    return tuple(
        f"blk.{_ranges(sorted(found))}.{name}" if found else name for name, found in layers.items()
    )


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers with runs written as ranges: "0,2-4"."""
    # Within a run, a number and its place grow together.
    runs = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    groups = [[number for _, number in run] for _, run in runs]
    return ",".join(f"{run[0]}-{run[-1]}" if run[1:] else str(run[0]) for run in groups)
