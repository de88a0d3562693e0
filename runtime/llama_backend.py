"""Token states from a GGUF file through llama.cpp."""

import ctypes
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ondol.errors import AgreementError, BundleError, ClosedError, EngineError, InputError
from ondol.runtime.backend import TokenStates
from ondol.runtime.llama_library import captured_log, llama_library

#: Tokens that the first context holds; longer texts get a larger one when they come. The context's
#: buffers grow with the square of this without flash attention.
_FIRST_CAPACITY = 128


class LlamaBackend:
    """One GGUF file, loaded. Implements `ondol.runtime.backend.Backend`.

    The engine runs on one thread of its own, for two reasons. OpenMP (GCC's libgomp) keeps a pool
    of spinning threads for every thread that calls it, so callers of many threads would each get
    one. And that pool does not survive a fork: in a child, the thread that called OpenMP before
    the fork waits for ever on its next call, even for a model opened anew, while a new thread gets
    a new pool (tests/runtime/test_llama_backend.py).

    Args:
        path: the file.
        threads: of the encoder.
        max_tokens: the longest text that will come, `<s>` and `</s>` included.
        flash_attention: faster at long texts; rounds keys and values to float16
            (llama.cpp, src/llama-graph.cpp, build_attn_mha).
        batch_tokens: texts of one call that together have at most so many tokens share one batch.
            0 runs every text alone, so that its vector is the same bits in any company. llama.cpp
            attends over the whole batch and masks what belongs to other texts; sums then run in
            another order, and quantized activations round differently: between alone and packed
            the cosine was 0.9995 at worst (q4_k_m). 256 saves up to a third of the time of short
            texts with flash attention (benchmarks/llama_choices.py); beyond 512 packing costs more
            than it saves.

    Raises:
        BundleError: llama.cpp cannot load the file.
        EngineError: llama.cpp cannot prepare to run it.
        AgreementError: the file has fewer positions than max_tokens.
        MissingDependencyError: llama-cpp-python is not installed.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int,
        max_tokens: int,
        flash_attention: bool,
        batch_tokens: int = 0,
    ) -> None:
        self._lib = llama_library("Running GGUF variants")
        self._path = path
        self._threads = threads
        self._max_tokens = max_tokens
        self._flash_attention = flash_attention
        self._batch_tokens = batch_tokens
        self._pid = os.getpid()
        self._closed = False
        self._model: Any = None
        self._context: Any = None
        self._capacity = 0
        self._engine = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ondol-llama")
        try:
            self._engine.submit(self._open).result()
        except BaseException:
            self.close()
            raise
        vocabulary = self._lib.llama_model_get_vocab(self._model)
        self._vocab_rows = int(self._lib.llama_vocab_n_tokens(vocabulary))
        self._hidden_size = int(self._lib.llama_model_n_embd(self._model))

    @property
    def vocab_rows(self) -> int:
        """Entries of the file's own vocabulary; llama.cpp loads no file with other rows."""
        return self._vocab_rows

    @property
    def hidden_size(self) -> int:
        """Columns of the token states."""
        return self._hidden_size

    @property
    def max_batch_tokens(self) -> int:
        """`batch_tokens`, see above."""
        return self._batch_tokens

    @property
    def equal_lengths(self) -> bool:
        """False: llama.cpp packs texts of any lengths without padding."""
        return False

    def token_states(self, sequences: Sequence[Sequence[int]]) -> list[TokenStates]:
        """Run the encoder on texts given as token ids, `<s>` and `</s>` included.

        Returns one (tokens, hidden_size) float32 array per text, in the order given. Calls from
        several threads run one after the other.

        Raises:
            InputError: a text has no tokens, or more than max_tokens.
            AgreementError: an id is outside the file's vocabulary.
            EngineError: llama.cpp could not run the batch; the message has its reason.
            ClosedError: after close(), or in a process forked since the file was opened.
        """
        if self._pid != os.getpid():
            raise ClosedError("the model was opened before this process was forked; open it again")
        if self._closed:
            raise ClosedError("the model was closed; open it again")
        self._check(sequences)
        try:
            result = self._engine.submit(self._run, sequences)
        except RuntimeError as error:  # close() came between the check and here.
            raise ClosedError("the model was closed; open it again") from error
        return result.result()

    def close(self) -> None:
        """Free the model once the running call ends. Calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._pid != os.getpid():
            # Its threads are the parent's: there is nothing here to wait for or to free.
            return
        self._engine.shutdown(wait=True)
        self._free_context()
        if self._model:
            with captured_log():
                self._lib.llama_model_free(self._model)
            self._model = None

    def _open(self) -> None:
        params = self._lib.llama_model_default_params()
        # Vectors must not depend on whether the machine has a GPU that llama.cpp was built for.
        params.n_gpu_layers = 0
        with captured_log() as log:
            self._model = self._lib.llama_model_load_from_file(os.fsencode(self._path), params)
        if not self._model:
            raise BundleError(f"llama.cpp cannot load {self._path}: {log}")
        positions = int(self._lib.llama_model_n_ctx_train(self._model))
        if self._max_tokens > positions:
            raise AgreementError(
                f"{self._path} has {positions} positions, but texts may have {self._max_tokens} "
                "tokens; the file and the manifest are from different builds: run `ondol build` "
                "again"
            )
        self._reserve(min(_FIRST_CAPACITY, self._max_tokens))

    def _reserve(self, tokens: int) -> None:
        """Make the context hold one batch of `tokens`, without splitting it.

        An encoder's batch cannot be split: it must fit n_ubatch, or llama.cpp aborts the process
        (src/llama-context.cpp, encode; ggml-org/llama.cpp issues 25293, 12836).
        """
        self._free_context()
        lib = self._lib
        params = lib.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = tokens
        params.n_seq_max = min(tokens, lib.llama_max_parallel_sequences())
        params.kv_unified = True  # n_ctx is then shared by the sequences, not divided among them.
        params.n_threads = params.n_threads_batch = self._threads
        params.embeddings = True
        params.pooling_type = lib.LLAMA_POOLING_TYPE_NONE
        params.attention_type = lib.LLAMA_ATTENTION_TYPE_NON_CAUSAL
        # AUTO, the default, means enabled.
        params.flash_attn_type = (
            lib.LLAMA_FLASH_ATTN_TYPE_ENABLED
            if self._flash_attention
            else lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
        params.no_perf = True
        with captured_log() as log:
            self._context = lib.llama_init_from_model(self._model, params)
        if not self._context:
            raise EngineError(
                f"llama.cpp cannot prepare {self._path} for {tokens} tokens, for which the memory "
                f"may not suffice: {log}"
            )
        self._capacity = tokens

    def _free_context(self) -> None:
        if self._context:
            with captured_log():
                self._lib.llama_free(self._context)
        self._context, self._capacity = None, 0

    def _check(self, sequences: Sequence[Sequence[int]]) -> None:
        for index, ids in enumerate(sequences):
            if not 1 <= len(ids) <= self._max_tokens:
                raise InputError(
                    f"text {index} has {len(ids)} tokens; expected 1 to {self._max_tokens}"
                )
            if min(ids) < 0 or max(ids) >= self._vocab_rows:
                raise AgreementError(
                    f"text {index} has token ids from {min(ids)} to {max(ids)}, but {self._path} "
                    f"has rows 0 to {self._vocab_rows - 1}; tokenizer and model are from different "
                    "builds"
                )

    def _run(self, sequences: Sequence[Sequence[int]]) -> list[TokenStates]:
        return [states for batch in self._batches(sequences) for states in self._encode(batch)]

    def _batches(self, sequences: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
        """Neighbours that fit into one batch."""
        most = int(self._lib.llama_max_parallel_sequences())
        batch: list[Sequence[int]] = []
        tokens = 0
        for ids in sequences:
            if batch and (tokens + len(ids) > self._batch_tokens or len(batch) == most):
                yield batch
                batch, tokens = [], 0
            batch.append(ids)
            tokens += len(ids)
        if batch:
            yield batch

    def _encode(self, batch: Sequence[Sequence[int]]) -> list[TokenStates]:
        """Run one batch on the engine's thread."""
        lengths = [len(ids) for ids in batch]
        total = sum(lengths)
        if total > self._capacity:
            # Doubling keeps the number of contexts small; only batches of many texts exceed
            # max_tokens.
            self._reserve(max(total, min(2 * self._capacity, self._max_tokens)))
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
            values = self._lib.llama_get_embeddings(self._context)
        if code != 0:
            raise EngineError(
                f"llama.cpp could not run {self._path} on {total} tokens (code {code}): {log}"
            )
        if not values:
            raise EngineError(f"llama.cpp returned no embeddings for {total} tokens: {log}")
        # With pooling type none, one row per token in the order of the batch (include/llama.h).
        states = np.ctypeslib.as_array(values, (total, self._hidden_size)).copy()
        return np.split(states, np.cumsum(lengths)[:-1])
