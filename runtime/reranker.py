"""Reranker: a query and documents in, scores out."""

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ondol.checkpoint import Activation
from ondol.errors import InputError, NumericalError, SelfTestError
from ondol.runtime.backend import Output
from ondol.runtime.checks import read_reference_pairs
from ondol.runtime.opened import OpenedBundle, locate
from ondol.runtime.progress import progress_bar
from ondol.runtime.ranking import Pair, check_ranking, is_one_pair, ranked
from ondol.runtime.reports import report_truncation
from ondol.runtime.schedule import WINDOW_CHARACTERS, WINDOW_TEXTS, windows
from ondol.runtime.tokenize import NormalForm, Tokenized
from ondol.task import Task

#: The mean error of the few pairs of a self-test may be so many times that of all: the first ones
#: lie near the step from no to yes, where logits scatter most.
_FEW_PAIRS = 5
#: `<s></s></s></s>`, what joins two texts, and a token of each.
_SMALLEST_MAX_LENGTH = 6

Scores = NDArray[np.float32]
#: Logits to scores, both (n,) float32.
ActivationFunction = Callable[[Scores], Scores]


@dataclass(frozen=True)
class ScoreResult:
    """Scores with what happened to their pairs.

    Attributes:
        scores: (pairs,) float32.
        token_counts: (pairs,) int64, tokens of each pair as it was run, special tokens included.
        truncated: indices of the pairs that were longer than the model's maximum and were cut.
    """

    scores: Scores
    token_counts: NDArray[np.int64]
    truncated: tuple[int, ...]


class Reranker(OpenedBundle):
    """A bundle of a reranker, loaded: how well documents answer a query, as PyTorch would say.

    Used as sentence-transformers' CrossEncoder. Safe to call from many threads at once. Works in a
    forked child (the engine is opened again there) and can be pickled to a spawned one.

    Args:
        bundle: directory of a bundle, or a repository of the Hugging Face hub, as for `Embedder`.
            There is no reranker inside the package.
        variant: name of the variant; None takes the fastest one whose engine is installed.
        engine: "onnxruntime", "openvino" or "llama.cpp", as for `Embedder`.
        threads: the cores that all calls together keep busy; None takes every physical one.
        check: "full", "quick" or "off"; see `ondol.runtime.checks.Check`.
        normalize: Unicode normal form ("NFC" or "NFKC") applied to every text first.
        max_length: tokens to which pairs are cut, if the model takes more; None takes as many as it
            does. Time grows faster than length: bge-reranker-v2-m3 takes 8,192.

    Raises:
        BundleError: the bundle is missing, damaged, mixed, an encoder's, or fails its self-test.
        DownloadError, VariantError, MissingDependencyError, EngineError, InputError: as `Embedder`.
    """

    task = Task.RERANK
    _max_length: int | None = None

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        *,
        variant: str | None = None,
        engine: str | None = None,
        threads: int | None = None,
        check: str = "full",
        normalize: NormalForm | None = None,
        max_length: int | None = None,
    ) -> None:
        if max_length is not None and (
            not isinstance(max_length, int) or max_length < _SMALLEST_MAX_LENGTH
        ):
            raise InputError(
                f"max_length is {max_length!r}; expected a whole number from "
                f"{_SMALLEST_MAX_LENGTH}, or None"
            )
        self._max_length = max_length
        path = locate(bundle, variant, engine)
        self._load(path, variant, engine, threads, check, normalize)

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest pair, special tokens included."""
        whole = self.manifest.architecture.max_tokens
        return whole if self._max_length is None else min(self._max_length, whole)

    def predict(
        self,
        pairs: Pair | Sequence[Pair],
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = False,
        activation_fn: ActivationFunction | None = None,
    ) -> Any:
        """Scores of pairs of a query and a document, as CrossEncoder's method of this name.

        Args:
            pairs: one pair or a sequence of pairs. Empty texts are legal.
            batch_size: the most pairs in one run of the engine; fewer are taken where that is
                faster or would change the scores.
            show_progress_bar: on standard error.
            activation_fn: from logits to scores, both (n,) float32; None takes the model's own, for
                most the sigmoid.

        Returns a float32 number for one pair, (n,) float32 for a sequence.

        Raises InputError for bad arguments, NumericalError for a pair without a finite score,
        ClosedError after close(). A pair longer than `max_tokens` is cut, and a warning says so
        once; `score` returns which ones.
        """
        single = is_one_pair(pairs)
        result = self.score(
            [pairs] if single else pairs,  # type: ignore[list-item]
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            activation_fn=activation_fn,
        )
        return result.scores[0] if single else result.scores

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        top_k: int | None = None,
        return_documents: bool = False,
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = False,
        activation_fn: ActivationFunction | None = None,
    ) -> list[dict[str, Any]]:
        """Documents by how well they answer a query, as CrossEncoder's method of this name.

        Args:
            top_k: the most results; None returns all.
            return_documents: put the text into each result.
            batch_size, show_progress_bar, activation_fn: as in `predict`.

        Returns a dict for each document, best first and those with equal scores in their order:
        corpus_id, its index in `documents`; score, a float; and text if asked for. Raises what
        `predict` raises.
        """
        check_ranking(documents, top_k)
        scores = self.score(
            [(query, document) for document in documents],
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            activation_fn=activation_fn,
        ).scores
        return ranked(scores, documents, top_k, return_documents=return_documents)

    def score(
        self,
        pairs: Sequence[Pair],
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = False,
        activation_fn: ActivationFunction | None = None,
    ) -> ScoreResult:
        """`predict` for a sequence, with the number of tokens of each pair and which were cut."""
        if isinstance(pairs, (str, bytes)) or not isinstance(pairs, Sequence | np.ndarray):
            raise InputError(
                f"pairs is a {type(pairs).__name__}; expected a sequence of (query, document)"
            )
        if not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size is {batch_size!r}; expected a whole number from 1")
        logits = np.empty(len(pairs), dtype=np.float32)
        counts = np.empty(len(pairs), dtype=np.int64)
        truncated: list[int] = []
        sizes = [sum(len(text) for text in pair if isinstance(text, str)) for pair in pairs]
        shown = bool(show_progress_bar)
        with progress_bar(shown=shown, total=len(pairs), unit="pair") as done:
            for window in windows(sizes, max_texts=WINDOW_TEXTS, max_size=WINDOW_CHARACTERS):
                tokenized = self._tokenizer.pairs(
                    pairs[window.start : window.stop], first_index=window.start
                )
                truncated += [window.start + index for index in tokenized.truncated]
                counts[window.start : window.stop] = [len(ids) for ids in tokenized.ids]
                into = logits[window.start : window.stop]
                self._run(tokenized, into, window.start, batch_size, done)
        if truncated and not self._warned:
            self._warned = True
            report_truncation(
                len(truncated), len(pairs), self.max_tokens, "pairs", "Reranker.score"
            )
        return ScoreResult(self._activate(logits, activation_fn), counts, tuple(truncated))

    def _run(
        self,
        tokenized: Tokenized,
        logits: Scores,
        start: int,
        batch_size: int,
        done: Callable[[int], object],
    ) -> None:
        """Fill `logits`, (pairs,) float32, and call `done` with the size of each group.

        start: number of the first pair, for messages.
        """
        counting = threading.Lock()

        def fill(group: tuple[int, ...], outputs: list[Output]) -> None:
            for index, output in zip(group, outputs, strict=True):
                if not np.isfinite(output[0]):
                    raise NumericalError(
                        f"the engine returned NaN or infinity for pair {start + index}; try "
                        "another variant, and run `ondol verify` on the bundle"
                    )
                logits[index] = output[0]
            with counting:
                done(len(group))

        self._current_runner().run(tokenized.ids, fill, max_texts=batch_size)

    def _activate(self, logits: Scores, activation_fn: ActivationFunction | None) -> Scores:
        if activation_fn is not None:
            given = np.asarray(activation_fn(logits))
            if given.shape != logits.shape:
                raise InputError(
                    f"activation_fn made {given.shape} of logits of shape {logits.shape}; "
                    "expected the same shape"
                )
            return given.astype(np.float32, copy=False)
        if self.manifest.activation is Activation.IDENTITY:
            return logits
        # exp of a negative number only: nothing overflows.
        small = np.exp(-np.abs(logits))
        scores: Scores = np.where(logits < 0, small, np.float32(1)) / (1 + small)
        return scores

    def _reopening(self) -> dict[str, Any]:
        return {**super()._reopening(), "max_length": self._max_length}

    def _self_test(self, count: int) -> None:
        pairs, expected = read_reference_pairs(self.path, self.manifest)
        spread = float(expected.std())
        count = min(count, len(pairs))
        found = np.empty(count, dtype=np.float32)
        for index in range(count):
            # One after the other: the engine then prepares for one pair only, the usual case.
            tokenized = self._reference_tokenizer().pairs([pairs[index]])
            self._run(tokenized, found[index : index + 1], index, 1, lambda count: None)
        error = float(np.abs(found - expected[:count]).mean()) / spread
        ceiling = _FEW_PAIRS * self._record.score_parity.ceiling
        if not error <= ceiling:
            logits, stored = np.round(found, 4).tolist(), np.round(expected[:count], 4).tolist()
            raise SelfTestError(
                f"{self.variant} in {self.engine} gives the first {count} reference pairs the "
                f"logits {logits}, stored are {stored}: {error:.4f} spreads apart on average, at "
                f"most {ceiling:.4f} is right. This engine or processor computes something else "
                "than the build measured: try another variant or engine version"
            )
