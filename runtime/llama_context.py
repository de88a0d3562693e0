"""A llama.cpp context: what one run of a model needs besides the weights."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ondol.errors import EngineError
from ondol.runtime.backend import Output
from ondol.runtime.llama_library import captured_log

#: Tokens that a new context holds; longer texts get a larger one when they come.
_FIRST_CAPACITY = 128

#: Batches of more tokens get flash attention in any case. Without it the scores of all heads are in
#: memory at once, 4 * heads * tokens**2 bytes: 268 MB here for 16 heads, 4.3 GB for 8,192 tokens.
EXACT_TOKENS = 2048


class LlamaContext:
    """Runs batches of one model, one at a time, on a fixed number of threads.

    Any number of contexts share a model's weights. A context may be used by any thread, but by one
    at a time.

    Args:
        lib: the module `llama_cpp`.
        model: a llama_model pointer, which must outlive the context.
        path: of the model's file, for messages.
        threads: of a run. With one, llama.cpp computes on the calling thread and OpenMP is not
            involved.
        max_tokens: the longest text that will come.
        flash_attention: also for batches of up to EXACT_TOKENS; see LlamaBackend.
        reranks: put out logits of the file's classifier, not token states.

    Raises EngineError if llama.cpp cannot make it.
    """

    def __init__(
        self,
        lib: Any,
        model: Any,
        path: Path,
        *,
        threads: int,
        max_tokens: int,
        flash_attention: bool,
        reranks: bool,
    ) -> None:
        self._lib = lib
        self._model = model
        self._path = path
        self._threads = threads
        self._max_tokens = max_tokens
        self._flash_attention = flash_attention
        self._reranks = reranks
        self._columns = output_columns(lib, model, reranks=reranks)
        self._context: Any = None
        self._capacity = 0
        self._flash = flash_attention
        self._reserve(min(_FIRST_CAPACITY, max_tokens), flash=flash_attention)

    def encode(self, batch: Sequence[Sequence[int]]) -> list[Output]:
        """Run texts as one batch: one (tokens, hidden_size) float32 array each, in their order, or
        (labels,) from a reranker.

        Raises EngineError with llama.cpp's reason if it cannot.
        """
        lengths = [len(ids) for ids in batch]
        total = sum(lengths)
        # By the batch alone: a text's vector must not depend on the texts before it.
        flash = self._flash_attention or total > EXACT_TOKENS
        if total > self._capacity or flash is not self._flash:
            # Doubling keeps the number of contexts small; only batches of many texts exceed
            # max_tokens.
            grown = 2 * self._capacity if flash is self._flash else _FIRST_CAPACITY
            most = self._max_tokens if flash else min(self._max_tokens, EXACT_TOKENS)
            self._reserve(max(total, min(grown, most)), flash=flash)
        tokens = np.concatenate([np.asarray(ids, np.int32) for ids in batch])
        positions = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
        owners = np.repeat(np.arange(len(batch), dtype=np.int32), lengths)  # (total,) int32
        owner_counts = np.ones(total, np.int32)
        # llama_batch.seq_id has, for each token, a pointer to the sequences that it belongs to.
        addresses = (owners.ctypes.data + owners.itemsize * np.arange(total)).astype(np.uintp)
        outputs = np.ones(total, np.int8)
        int32_p = ctypes.POINTER(ctypes.c_int32)
        request = self._lib.llama_batch(
            n_tokens=total,
            token=tokens.ctypes.data_as(int32_p),
            embd=None,
            pos=positions.ctypes.data_as(int32_p),
            n_seq_id=owner_counts.ctypes.data_as(int32_p),
            seq_id=addresses.ctypes.data_as(ctypes.POINTER(int32_p)),
            logits=outputs.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )
        with captured_log() as log:
            code = self._lib.llama_encode(self._context, request)
            rows = [] if code else self._rows(len(batch), total)
        if code != 0:
            raise EngineError(
                f"llama.cpp could not run {self._path} on {total} tokens (code {code}): {log}"
            )
        if not all(rows):
            raise EngineError(f"llama.cpp returned no embeddings for {total} tokens: {log}")
        if self._reranks:
            return [np.ctypeslib.as_array(row, (self._columns,)).copy() for row in rows]
        # With pooling type none, one row per token in the order of the batch (include/llama.h).
        states = np.ctypeslib.as_array(rows[0], (total, self._columns)).copy()
        return np.split(states, np.cumsum(lengths)[:-1])

    def _rows(self, texts: int, tokens: int) -> list[Any]:
        """Pointers to what the last run put out: one per text, or one to all token states."""
        if self._reranks:
            return [
                self._lib.llama_get_embeddings_seq(self._context, text) for text in range(texts)
            ]
        return [self._lib.llama_get_embeddings(self._context)] if tokens else []

    def close(self) -> None:
        """Free it. Calling it again does nothing."""
        if self._context:
            with captured_log():
                self._lib.llama_free(self._context)
        self._context, self._capacity = None, 0

    def _reserve(self, tokens: int, *, flash: bool) -> None:
        """Make the context hold one batch of `tokens`, without splitting it.

        An encoder's batch cannot be split: it must fit n_ubatch, or llama.cpp aborts the process
        (src/llama-context.cpp, encode; ggml-org/llama.cpp issues 25293, 12836).
        """
        self.close()
        lib = self._lib
        params = lib.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = tokens
        params.n_seq_max = min(tokens, lib.llama_max_parallel_sequences())
        params.kv_unified = True  # n_ctx is then shared by the sequences, not divided among them.
        params.n_threads = params.n_threads_batch = self._threads
        params.embeddings = True
        params.pooling_type = (
            lib.LLAMA_POOLING_TYPE_RANK if self._reranks else lib.LLAMA_POOLING_TYPE_NONE
        )
        params.attention_type = lib.LLAMA_ATTENTION_TYPE_NON_CAUSAL
        # AUTO, the default, means enabled.
        params.flash_attn_type = (
            lib.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash else lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
        params.no_perf = True
        with captured_log() as log:
            self._context = lib.llama_init_from_model(self._model, params)
        if not self._context:
            raise EngineError(
                f"llama.cpp cannot prepare {self._path} for {tokens} tokens, for which the memory "
                f"may not suffice: {log}"
            )
        self._capacity, self._flash = tokens, flash


def output_columns(lib: Any, model: Any, *, reranks: bool) -> int:
    """Columns of an output: labels of the file's classifier, or the encoder's hidden size."""
    return int(lib.llama_model_n_cls_out(model) if reranks else lib.llama_model_n_embd(model))
