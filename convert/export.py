"""One checkpoint, written in any variant: which writer makes which file, and from what."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ondol.checkpoint import Checkpoint
from ondol.convert.calibration import calibration_sequences, observe
from ondol.convert.encoder_graph import EncoderPlan, write_encoder
from ondol.convert.encoder_weights import EncoderWeights
from ondol.convert.gguf_agreement import tokenizer_agreement
from ondol.convert.gguf_quantize import quantize_gguf, tensor_totals
from ondol.convert.gguf_writer import write_gguf
from ondol.convert.quantization_plan import QuantizedEncoder, Quantizer
from ondol.runtime.pool import pool
from ondol.runtime.tokenize import TextTokenizer
from ondol.task import Task
from ondol.variants import Variant
from ondol.vocab_prune.unigram import load_tokenizer

#: Tokens of one run: from 256 to 1,024 a core works at its best, and texts of one length give the
#: same vectors alone or together (tests/runtime/test_batch_invariance.py).
_BATCH_TOKENS = 512

#: One of so many calibration texts is kept back to judge a plan on.
_JUDGED_EVERY = 8


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
                write_encoder(self._weights, EncoderPlan.in_float(self._weights), path)
                return {
                    "weights": "float32",
                    "activations": "float32",
                    "max_batch_tokens": _BATCH_TOKENS,
                }
            case Variant.ONNX_INT8:
                return self._write_quantized(
                    self._quantizer.int8(), path, "int8 per output channel; embeddings int8 per row"
                )
            case Variant.ONNX_INT4:
                return self._write_quantized(
                    self._quantizer.int4(),
                    path,
                    "int4 in blocks of 32; word embeddings int4 in blocks of 32, positions int8",
                )
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

    def _write_quantized(
        self, encoder: QuantizedEncoder, path: Path, weights: str
    ) -> Mapping[str, Any]:
        whole = replace(encoder.weights, classifier=self._weights.classifier)
        write_encoder(whole, encoder.plan, path)
        return {
            "weights": weights,
            "activations": "uint8 per tensor, scales fixed by calibration",
            "max_batch_tokens": _BATCH_TOKENS,
            **encoder.scheme(),
        }

    @cached_property
    def _weights(self) -> EncoderWeights:
        return EncoderWeights.of(self._checkpoint)

    @cached_property
    def _quantizer(self) -> Quantizer:
        max_tokens = self._checkpoint.architecture.max_tokens
        tokenizer = TextTokenizer(
            self._checkpoint.directory / "tokenizer.json", max_tokens=max_tokens
        )
        prompts = list(self._checkpoint.prompts.by_name.values())
        sequences = calibration_sequences(
            tokenizer, prompts, max_tokens, pairs=self._checkpoint.task is Task.RERANK
        )
        observed = [ids for number, ids in enumerate(sequences) if number % _JUDGED_EVERY]
        # A reranker is judged by the states that its classifier reads.
        encoder = replace(self._weights, classifier=None)
        return Quantizer(
            encoder,
            observe(encoder, observed, self._work),
            judged=sequences[::_JUDGED_EVERY],
            pool=lambda states: pool(states, self._checkpoint.pooling),
            work=self._work,
        )

    @cached_property
    def _gguf_float(self) -> Path:
        path = self._work / "model.gguf"
        self._write_gguf(path, Variant.GGUF_F32)
        return path

    def _write_gguf(self, path: Path, variant: Variant) -> None:
        tensors = self._checkpoint.encoder_weights()
        if self._checkpoint.task is Task.RERANK:
            tensors |= self._checkpoint.classifier_weights()
        weights = {name: tensor.numpy() for name, tensor in tensors.items()}
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
