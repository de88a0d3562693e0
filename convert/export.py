"""One checkpoint, written in any variant: which writer makes which file, and from what."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from ondol.checkpoint import Checkpoint
from ondol.convert.gguf_agreement import tokenizer_agreement
from ondol.convert.gguf_quantize import quantize_gguf, tensor_totals
from ondol.convert.gguf_writer import write_gguf
from ondol.convert.onnx_export import export_float, quantize_dynamic
from ondol.convert.torch_encoder import load_encoder
from ondol.variants import Variant
from ondol.vocab_prune.unigram import load_tokenizer

#: Tokens of one run of the float graph: at 256 to 1,024 a core works at its best, and texts of one
#: length give the same vectors alone or together (tests/runtime/test_batch_invariance.py).
_FLOAT_BATCH_TOKENS = 1024


class Exporter:
    """Writes variants of one checkpoint; the float files that others derive from are made once.

    Args:
        checkpoint: with as many embedding rows as its tokenizer has entries.
        name: recorded in GGUF files as general.name.
        texts: on which llama.cpp's tokenizer is compared with `tokenizers`.
        work: directory for files that the bundle does not get.
    """

    def __init__(self, checkpoint: Checkpoint, name: str, texts: Sequence[str], work: Path) -> None:
        self._checkpoint = checkpoint
        self._name = name
        self._texts = texts
        self._work = work

    def write(self, variant: Variant, path: Path) -> Mapping[str, Any]:
        """Write one variant's file. Returns its scheme, as the manifest records it."""
        match variant:
            case Variant.ONNX_FP32:
                shutil.copyfile(self._onnx_float, path)
                return {
                    "weights": "float32",
                    "activations": "float32",
                    "max_batch_tokens": _FLOAT_BATCH_TOKENS,
                }
            case Variant.ONNX_INT8:
                quantize_dynamic(self._onnx_float, path)
                return {
                    "weights": "int8 per output channel; embedding rows int8 per tensor",
                    "activations": "uint8 per tensor, scaled at run time",
                    # Scales are taken over the whole run, so a neighbour would change the vector.
                    "max_batch_tokens": 0,
                }
            case Variant.GGUF_F32:
                shutil.copyfile(self._gguf_float, path)
            case Variant.GGUF_F16:
                self._write_gguf(path, variant)
            case _:
                quantize_gguf(self._gguf_float, path, variant, threads=os.cpu_count() or 1)
        return {
            "tensors": {kind: asdict(total) for kind, total in tensor_totals(path).items()},
            # Flash attention rounds keys and values to float16.
            "flash_attention": variant is not Variant.GGUF_F32,
            "tokenizer_agreement": self._agreement,
        }

    @cached_property
    def _onnx_float(self) -> Path:
        path = self._work / "model.onnx"
        export_float(load_encoder(self._checkpoint), path)
        return path

    @cached_property
    def _gguf_float(self) -> Path:
        path = self._work / "model.gguf"
        self._write_gguf(path, Variant.GGUF_F32)
        return path

    def _write_gguf(self, path: Path, variant: Variant) -> None:
        weights = {name: t.numpy() for name, t in self._checkpoint.encoder_weights().items()}
        write_gguf(
            path,
            architecture=self._checkpoint.architecture,
            weights=weights,
            tokenizer=self._checkpoint.tokenizer(),
            pooling=self._checkpoint.pooling,
            name=self._name,
            variant=variant,
        )

    @cached_property
    def _agreement(self) -> Mapping[str, int]:
        """llama.cpp's own tokenizer against `tokenizers`. All GGUF files hold the same one."""
        tokenizer = load_tokenizer(self._checkpoint.tokenizer())
        report = tokenizer_agreement(self._gguf_float, tokenizer, self._texts)
        return {"lines": report.lines, "identical": report.identical}
