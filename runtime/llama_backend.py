"""Token states from a GGUF file through llama.cpp."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ondol.errors import AgreementError, BundleError, ClosedError, InputError
from ondol.runtime.backend import WORTH_ALL_THREADS, Output
from ondol.runtime.gguf_check import check_gguf
from ondol.runtime.llama_context import LlamaContext, output_columns
from ondol.runtime.llama_library import captured_log, llama_library, uses_amx


class LlamaBackend:
    """One GGUF file, loaded. Implements `ondol.runtime.backend.Backend`.

    Calls run at once, each in a one-threaded context on its caller's thread; contexts are kept for
    later calls and share the weights. A call that is alone and long enough gets a context with all
    threads. That one runs on a thread of its own, for two reasons. OpenMP (GCC's libgomp) keeps a
    pool of threads for every thread that calls it, so callers of many threads would each get one.
    And that pool does not survive a fork: in a child, the thread that called OpenMP before the
    fork waits for ever on its next call, even for a model opened anew, while a new thread gets a
    new pool (tests/runtime/test_llama_backend.py).

    Args:
        path: the file.
        threads: of all runs together, and of one that is alone.
        max_tokens: the longest text that will come, `<s>` and `</s>` included.
        flash_attention: faster at long texts; rounds keys and values to float16
            (llama.cpp, src/llama-graph.cpp, build_attn_mha). Texts of more than
            `ondol.runtime.llama_context.EXACT_TOKENS` tokens always get it, for their memory.
        reranks: put out the logits of the file's classifier, not token states.
        batch_tokens: texts of one call that together have at most so many tokens share one batch.
            0 runs every text alone, so that its vector is the same bits in any company. llama.cpp
            attends over the whole batch and masks what belongs to other texts; sums then run in
            another order, and quantized activations round differently: between alone and packed
            the cosine was 0.9995 at worst (q4_k_m). 256 saves up to a third of the time of short
            texts with flash attention (benchmarks/llama_choices.py); beyond 512 packing costs more
            than it saves.

    Raises:
        BundleError: the file is none of ours, or llama.cpp cannot load it.
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
        reranks: bool = False,
        batch_tokens: int = 0,
    ) -> None:
        self._lib = llama_library("Running GGUF variants")
        self._path = path
        self._threads = threads
        self._max_tokens = max_tokens
        self._flash_attention = flash_attention
        self._reranks = reranks
        self._batch_tokens = batch_tokens
        self._pid = os.getpid()
        self._closed = False
        self._running = 0
        self._state = threading.Condition()  # guards the two above and the contexts
        self._idle: list[LlamaContext] = []
        self._wide_context: LlamaContext | None = None
        self._wide_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ondol-llama")
        self._model: Any = None
        try:
            self._model = self._load()
            self._idle.append(self._new_context(threads=1))
        except BaseException:
            self.close()
            raise
        vocabulary = self._lib.llama_model_get_vocab(self._model)
        self._vocab_rows = int(self._lib.llama_vocab_n_tokens(vocabulary))
        self._columns = output_columns(self._lib, self._model, reranks=reranks)

    @property
    def vocab_rows(self) -> int:
        """Entries of the file's own vocabulary; llama.cpp loads no file with other rows."""
        return self._vocab_rows

    @property
    def columns(self) -> int:
        """Columns of an output."""
        return self._columns

    @property
    def max_batch_tokens(self) -> int:
        """`batch_tokens`, see above."""
        return self._batch_tokens

    @property
    def equal_lengths(self) -> bool:
        """False: llama.cpp packs texts of any lengths without padding."""
        return False

    @property
    def parallel_runs(self) -> int:
        """`threads`, see above."""
        return self._threads

    def outputs(self, sequences: Sequence[Sequence[int]], *, alone: bool = False) -> list[Output]:
        """Run the model on texts given as token ids, `<s>` and `</s>` included.

        Returns one (tokens, hidden_size) float32 array per text, in the order given; of a reranker
        one (labels,).

        Raises:
            InputError: a text has no tokens, or more than max_tokens.
            AgreementError: an id is outside the file's vocabulary.
            EngineError: llama.cpp could not run the batch; the message has its reason.
            ClosedError: after close(), or in a process forked since the file was opened.
        """
        if self._pid != os.getpid():
            raise ClosedError("the model was opened before this process was forked; open it again")
        with self._run_begun():
            self._check(sequences)
            wide = alone and self._threads > 1
            if wide and sum(map(len, sequences)) >= WORTH_ALL_THREADS:
                try:
                    call = self._wide_thread.submit(self._run_wide, sequences)
                except RuntimeError:  # no thread is to be had: this one computes
                    pass
                else:
                    return call.result()
            with self._context() as context:
                return self._run(context, sequences)

    def close(self) -> None:
        """Free the model once the running calls end. Calling it again does nothing."""
        if self._pid != os.getpid():
            # Its threads are the parent's: there is nothing here to wait for or to free.
            self._closed = True
            return
        with self._state:
            if self._closed:
                return
            self._closed = True
            self._state.wait_for(lambda: self._running == 0)
        self._wide_thread.shutdown(wait=True)
        for context in (*self._idle, self._wide_context):
            if context is not None:
                context.close()
        if self._model:
            with captured_log():
                self._lib.llama_model_free(self._model)
            self._model = None

    @contextmanager
    def _run_begun(self) -> Iterator[None]:
        """Keep the model inside the block. Raises ClosedError after close()."""
        with self._state:
            if self._closed:
                raise ClosedError("the model was closed; open it again")
            self._running += 1
        try:
            yield
        finally:
            with self._state:
                self._running -= 1
                self._state.notify_all()

    @contextmanager
    def _context(self) -> Iterator[LlamaContext]:
        """A one-threaded context that no other call uses."""
        with self._state:
            context = self._idle.pop() if self._idle else None
        if context is None:
            context = self._new_context(threads=1)
        try:
            yield context
        finally:
            with self._state:
                self._idle.append(context)

    def _load(self) -> Any:
        check_gguf(self._path)
        params = self._lib.llama_model_default_params()
        # Vectors must not depend on whether the machine has a GPU that llama.cpp was built for.
        params.n_gpu_layers = 0
        params.use_extra_bufts = not uses_amx(self._lib)
        with captured_log() as log:
            model = self._lib.llama_model_load_from_file(os.fsencode(self._path), params)
        if not model:
            raise BundleError(f"llama.cpp cannot load {self._path}: {log}")
        positions = int(self._lib.llama_model_n_ctx_train(model))
        if self._max_tokens > positions:
            with captured_log():
                self._lib.llama_model_free(model)
            raise AgreementError(
                f"{self._path} has {positions} positions, but texts may have {self._max_tokens} "
                "tokens; the file and the manifest are from different builds: run `ondol build` "
                "again"
            )
        return model

    def _new_context(self, *, threads: int) -> LlamaContext:
        return LlamaContext(
            self._lib,
            self._model,
            self._path,
            threads=threads,
            max_tokens=self._max_tokens,
            flash_attention=self._flash_attention,
            reranks=self._reranks,
        )

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

    def _run_wide(self, sequences: Sequence[Sequence[int]]) -> list[Output]:
        if self._wide_context is None:
            self._wide_context = self._new_context(threads=self._threads)
        return self._run(self._wide_context, sequences)

    def _run(self, context: LlamaContext, sequences: Sequence[Sequence[int]]) -> list[Output]:
        return [states for batch in self._batches(sequences) for states in context.encode(batch)]

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
