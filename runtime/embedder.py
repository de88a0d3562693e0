"""Embedder: texts in, vectors out."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ondol.errors import InputError, SelfTestError
from ondol.precision import Precision
from ondol.prompts import DOCUMENT_PROMPTS
from ondol.runtime.backend import TokenStates
from ondol.runtime.checks import least_cosine, read_calibration, read_reference
from ondol.runtime.default import default_bundle
from ondol.runtime.opened import OpenedBundle, locate
from ondol.runtime.pool import finish, pool
from ondol.runtime.progress import progress_bar
from ondol.runtime.quantize import OutputRanges, dequantize, quantize, shorten
from ondol.runtime.reports import report_truncation
from ondol.runtime.schedule import WINDOW_CHARACTERS, WINDOW_TEXTS, windows
from ondol.runtime.similarity import cosine_similarity, rowwise_cosine
from ondol.runtime.tokenize import NormalForm
from ondol.task import Task


@dataclass(frozen=True)
class EmbedResult:
    """Vectors with what happened to their texts.

    Attributes:
        vectors: (texts, dim) float32, or what another precision makes of it: (texts, dim) int8 or
            uint8, or (texts, dim / 8, rounded up) for binary and ubinary.
        token_counts: (texts,) int64, tokens of each text as it was run, special tokens included.
        truncated: indices of the texts that were longer than the model's maximum and were cut.
    """

    vectors: NDArray[Any]
    token_counts: NDArray[np.int64]
    truncated: tuple[int, ...]


class Embedder(OpenedBundle):
    """A bundle of an encoder, loaded: turns texts into the vectors that PyTorch would return.

    Safe to call from many threads at once. Works in a forked child (the engine is opened again
    there) and can be pickled to a spawned one.

    Args:
        bundle: directory of a bundle; None takes the one inside the package. A str of the form
            ORGANISATION/NAME that is no path here is a repository of the Hugging Face hub: what
            the variant needs is downloaded to the hub's cache, or taken from there.
        variant: name of the variant; None takes the fastest one whose engine is installed.
        engine: "onnxruntime", "openvino" or "llama.cpp"; None takes onnxruntime for ONNX and
            llama.cpp for GGUF. openvino runs the same ONNX files, texts one at a time faster on
            processors with VNNI; its memory grows with every length of text and is not given back
            before the process ends, also not by close() (docs/int8.md).
        threads: the cores that all calls together keep busy; None takes every physical one.
        check: "full", "quick" or "off"; see `ondol.runtime.checks.Check`.
        normalize: Unicode normal form ("NFC" or "NFKC") applied to every text first. None, the
            default, takes texts as they are, which is what the reference does. Decomposed Hangul,
            as macOS stores file names, needs "NFC" to be segmented well.
        truncate_dim: elements to keep of every vector, from the first; all if it has not so many.
            Vectors of a model that normalises are scaled to norm 1 again. Meant for models trained
            so that the first elements suffice (Matryoshka: Kusupati et al. 2022).

    Raises:
        BundleError: the bundle is missing, damaged, mixed, or fails its self-test.
        DownloadError: the hub does not give it.
        VariantError: no such variant, or the bundle does not hold it.
        MissingDependencyError: the engine, or for the hub huggingface_hub, is not installed.
        EngineError: the engine cannot run the variant on this processor.
        InputError: an argument is not one of the values above, or the engine does not read the
            variant's format.
    """

    task = Task.EMBED
    truncate_dim: int | None = None
    _ranges: OutputRanges | None = None

    def __init__(
        self,
        bundle: str | os.PathLike[str] | None = None,
        *,
        variant: str | None = None,
        engine: str | None = None,
        threads: int | None = None,
        check: str = "full",
        normalize: NormalForm | None = None,
        truncate_dim: int | None = None,
    ) -> None:
        path = default_bundle() if bundle is None else locate(bundle, variant, engine)
        self.truncate_dim = checked_dimension(truncate_dim)
        self._load(path, variant, engine, threads, check, normalize)

    @property
    def dimension(self) -> int:
        """Elements of a vector, truncated where `truncate_dim` says so."""
        return self._kept(None)

    @property
    def prompts(self) -> Mapping[str, str]:
        """The bundle's prompts by name."""
        return self.manifest.prompts

    @property
    def identity(self) -> Mapping[str, str]:
        """What the vectors of all variants have in common, by name: if it differs, vectors cannot
        be compared.
        """
        source = self.manifest.source
        weights = "\n".join(f"{file.path} {file.sha256}" for file in source.files)
        return {
            "source": source.id,
            "revision": source.revision or "",
            "weights": hashlib.sha256(weights.encode()).hexdigest(),
            "tokenizer": self.manifest.tokenizer.sha256,
            "pooling": self.manifest.pooling.value,
            "prompts": json.dumps(dict(self.prompts), ensure_ascii=False, sort_keys=True),
            "dimension": str(self.dimension),
        }

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in `text` of each of its tokens, without prompt and special tokens, however
        many they are.
        """
        return self._tokenizer.spans(text)

    def encode(
        self,
        sentences: str | Sequence[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = False,
        precision: str = "float32",
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        convert_to_numpy: bool = True,
    ) -> NDArray[Any]:
        """Vectors of texts, as sentence-transformers' method of this name.

        Args:
            sentences: one text or a sequence of texts. An empty text is legal.
            prompt_name: name of a prompt in `prompts` to put before every text.
            prompt: the prompt itself; wins over prompt_name.
            batch_size: the most texts in one run of the engine; fewer are taken where that is
                faster or would change the vectors.
            show_progress_bar: on standard error.
            precision: "float32", "int8", "uint8", "binary" or "ubinary"; see
                `ondol.precision.Precision`. The ranges of int8 and uint8 are the bundle's, so that
                a text has the same vector in every call.
            normalize_embeddings: scale vectors to L2 norm 1 also if the model does not.
            truncate_dim: for this call, instead of the Embedder's.
            convert_to_numpy: only True; there are no tensors without torch.

        Returns (dim,) float32 for one text, (n, dim) float32 for a sequence, or what another
        precision makes of it: int8 or uint8, with an eighth of the columns for the binary ones.

        Raises InputError for bad arguments, and for int8 and uint8 if the bundle was built before
        bundles had ranges; NumericalError for a text without a finite vector,
        ClosedError after close(). A text longer than `max_tokens` is cut, and a warning says so
        once; `embed` returns which ones.
        """
        if not convert_to_numpy:
            raise InputError(
                "convert_to_numpy is False, but vectors are always numpy arrays; "
                "torch.from_numpy(vectors) makes a tensor of them"
            )
        single = isinstance(sentences, str)
        result = self.embed(
            [sentences] if isinstance(sentences, str) else sentences,
            prompt_name=prompt_name,
            prompt=prompt,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            precision=precision,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
        )
        return result.vectors[0] if single else result.vectors

    def encode_query(self, sentences: str | Sequence[str], **options: Any) -> NDArray[Any]:
        """`encode` with the bundle's prompt named "query", if it has one and none is given."""
        return self._encode_role(sentences, ("query",), options)

    def encode_document(self, sentences: str | Sequence[str], **options: Any) -> NDArray[Any]:
        """`encode` with the first of the prompts "document", "passage", "corpus" there is."""
        return self._encode_role(sentences, DOCUMENT_PROMPTS, options)

    def _encode_role(
        self, sentences: str | Sequence[str], names: Iterable[str], options: dict[str, Any]
    ) -> NDArray[Any]:
        if options.get("prompt_name") is None and options.get("prompt") is None:
            options["prompt_name"] = next((name for name in names if name in self.prompts), None)
        return self.encode(sentences, **options)

    def embed(
        self,
        texts: Sequence[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = False,
        precision: str = "float32",
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> EmbedResult:
        """`encode` for a sequence, with the number of tokens of each text and which were cut."""
        if isinstance(texts, (str, bytes)) or not isinstance(texts, Sequence | np.ndarray):
            raise InputError(f"texts is a {type(texts).__name__}; expected a sequence of str")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size is {batch_size!r}; expected a whole number from 1")
        prefix = self._prefix(prompt_name, prompt)
        normalize = self.manifest.normalize or normalize_embeddings
        wanted = Precision.parse(precision)
        dimension = self._kept(checked_dimension(truncate_dim))
        ranges = (
            self._output_ranges().of(dimension, normalize=normalize)
            if wanted.needs_ranges
            else None
        )
        vectors = np.empty((len(texts), wanted.columns(dimension)), dtype=wanted.dtype)
        counts = np.empty(len(texts), dtype=np.int64)
        truncated: list[int] = []
        sizes = [len(text) if isinstance(text, str) else 0 for text in texts]
        shown = bool(show_progress_bar)
        with progress_bar(shown=shown, total=len(texts), unit="text") as done:
            for window in windows(sizes, max_texts=WINDOW_TEXTS, max_size=WINDOW_CHARACTERS):
                start = window.start
                tokenized = self._tokenizer(
                    texts[start : window.stop], prefix=prefix, first_index=start
                )
                truncated += [start + index for index in tokenized.truncated]
                counts[start : window.stop] = [len(ids) for ids in tokenized.ids]
                floats = np.empty((len(window), dimension), dtype=np.float32)
                self._run(tokenized.ids, floats, start, batch_size, normalize, done)
                vectors[start : window.stop] = quantize(floats, wanted, ranges)
        if truncated and not self._warned:
            self._warned = True
            report_truncation(
                len(truncated), len(texts), self.max_tokens, "texts", "Embedder.embed"
            )
        return EmbedResult(vectors, counts, tuple(truncated))

    def _run(
        self,
        ids: Sequence[Sequence[int]],
        vectors: NDArray[np.float32],
        start: int,
        batch_size: int,
        normalize: bool,
        done: Callable[[int], object],
    ) -> None:
        """Fill `vectors`, and call `done` with the size of each group.

        vectors: (len(ids), columns) float32; as many elements are kept as it has columns. start:
        number of the first text, for messages.
        """
        dimension = vectors.shape[1]
        counting = threading.Lock()

        def fill(group: tuple[int, ...], states: list[TokenStates]) -> None:
            for index, token_states in zip(group, states, strict=True):
                number = start + index
                whole = finish(
                    pool(token_states, self.manifest.pooling), normalize=normalize, index=number
                )
                vectors[index] = shorten(whole, dimension, normalize=normalize, index=number)
            with counting:
                done(len(group))

        self._current_runner().run(ids, fill, max_texts=batch_size)

    def dequantize(
        self, vectors: ArrayLike, *, normalize_embeddings: bool = False
    ) -> NDArray[np.float32]:
        """int8 or uint8 vectors of this bundle as numbers again, to compare them.

        Args:
            vectors: (n, dim) or (dim,), as `encode` returned them with that precision; the columns
                tell to how many elements they were truncated.
            normalize_embeddings: as it was given to `encode`.

        Returns float32 of the same shape, each value the middle of its step. Raises InputError for
        anything but int8 and uint8, and if the bundle has no ranges.
        """
        normalize = self.manifest.normalize or normalize_embeddings
        return dequantize(vectors, self._output_ranges(), normalize=normalize)

    def similarity(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.float32]:
        """Cosine of every row of `a` (n, dim) with every row of `b` (m, dim): (n, m) float32.

        Raises InputError for vectors of another precision than float32.
        """
        return cosine_similarity(a, b)

    def _reopening(self) -> dict[str, Any]:
        return {**super()._reopening(), "truncate_dim": self.truncate_dim}

    def _prefix(self, prompt_name: str | None, prompt: str | None) -> str:
        if prompt is not None:
            if not isinstance(prompt, str):
                raise InputError(f"prompt is a {type(prompt).__name__}; expected str")
            return prompt
        if prompt_name is None:
            return ""
        if prompt_name not in self.prompts:
            known = ", ".join(repr(name) for name in self.prompts) or "none"
            raise InputError(f"the bundle has no prompt named {prompt_name!r}; it has {known}")
        return self.prompts[prompt_name]

    def _kept(self, truncate_dim: int | None) -> int:
        """Elements of a vector. truncate_dim: of one call; None takes the Embedder's."""
        whole = self.manifest.architecture.hidden_size
        return min(truncate_dim or self.truncate_dim or whole, whole)

    def _output_ranges(self) -> OutputRanges:
        """Of the bundle's calibration vectors, read when they are needed first."""
        if self._ranges is None:
            self._ranges = OutputRanges(read_calibration(self.path, self.manifest))
        return self._ranges

    def _self_test(self, count: int) -> None:
        """Embed the first `count` reference texts. Raises SelfTestError below `least_cosine`."""
        texts, expected = read_reference(self.path, self.manifest)
        ids = self._reference_tokenizer()(texts[:count]).ids
        vectors = np.empty((len(ids), self.manifest.architecture.hidden_size), dtype=np.float32)
        for index, sequence in enumerate(ids):
            # One after the other: the engine then prepares for one text only, the usual case.
            row = vectors[index : index + 1]
            self._run([sequence], row, index, 1, self.manifest.normalize, lambda count: None)
        cosines = rowwise_cosine(vectors, expected[:count])
        worst = int(cosines.argmin())
        least = least_cosine(self._record.vector_parity)
        if not cosines[worst] >= least:
            raise SelfTestError(
                f"{self.variant} in {self.engine} gives cosine {cosines[worst]:.6f} to the stored "
                f"vector of reference text {worst} ({texts[worst][:40]!r}); expected at least "
                f"{least:.6g}. The file was changed, or this engine or processor computes "
                "something else than the build measured: copy the bundle again, or try another "
                "variant or engine version"
            )


def checked_dimension(truncate_dim: int | None) -> int | None:
    """The argument itself. Raises InputError unless it is a whole number from 1, or None."""
    if truncate_dim is not None and (not isinstance(truncate_dim, int) or truncate_dim < 1):
        raise InputError(
            f"truncate_dim is {truncate_dim!r}; expected a whole number from 1, or None"
        )
    return truncate_dim
