"""For the tests of programs that use ondol: an Embedder and a Reranker without a model.

from ondol.testing import FakeEmbedder, FakeReranker

search = MySearch(embedder=FakeEmbedder(), reranker=FakeReranker())
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ondol.closing import Closing
from ondol.errors import ClosedError, InputError
from ondol.precision import Precision
from ondol.runtime.embedder import EmbedResult, checked_dimension
from ondol.runtime.quantize import OutputRanges, dequantize, quantize, shorten
from ondol.runtime.ranking import Pair, check_ranking, checked_pair, is_one_pair, ranked
from ondol.runtime.reranker import ActivationFunction, ScoreResult
from ondol.runtime.similarity import cosine_similarity

#: Texts by whose vectors the ranges of int8 vectors are chosen.
_CALIBRATION_TEXTS = 100


class FakeEmbedder(Closing):
    """Stands in for `ondol.Embedder`: same methods, same shapes, same errors for bad input.

    The vector of a text is a hash of the prompt and the text: equal texts have equal vectors on
    every machine, and different texts are about orthogonal. A text's tokens are its words and two.

    Args:
        dimension: elements of a whole vector.
        max_tokens: a text with more tokens is reported as truncated, and its further words do not
            count.
        prompts: by name.
        truncate_dim: elements to keep of every vector, from the first.
    """

    def __init__(
        self,
        *,
        dimension: int = 384,
        max_tokens: int = 512,
        prompts: Mapping[str, str] | None = None,
        truncate_dim: int | None = None,
    ) -> None:
        self._whole_dimension = dimension
        self.truncate_dim = checked_dimension(truncate_dim)
        self.max_tokens = max_tokens
        self.prompts: Mapping[str, str] = (
            {"query": "query: ", "passage": "passage: "} if prompts is None else prompts
        )
        self.variant = "fake"
        self.identity: Mapping[str, str] = {"source": "fake", "dimension": str(self.dimension)}
        self._closed = False
        self._ranges = OutputRanges(
            np.stack([self._vector(f"calibration {n}") for n in range(_CALIBRATION_TEXTS)])
        )

    @property
    def dimension(self) -> int:
        """Elements of a vector, truncated where `truncate_dim` says so."""
        return self._kept(None)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in `text` of each of its words."""
        return [found.span() for found in re.finditer(r"\S+", text)]

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
        """Returns (dim,) float32 for one text, (n, dim) float32 for a sequence, of norm 1; or what
        another precision makes of it.
        """
        if not convert_to_numpy:
            raise InputError("convert_to_numpy is False, but vectors are always numpy arrays")
        single = isinstance(sentences, str)
        texts = [sentences] if isinstance(sentences, str) else sentences
        vectors = self.embed(
            texts,
            prompt_name=prompt_name,
            prompt=prompt,
            precision=precision,
            truncate_dim=truncate_dim,
        ).vectors
        return vectors[0] if single else vectors

    def encode_query(self, sentences: str | Sequence[str], **options: Any) -> NDArray[Any]:
        """`encode` with the prompt named "query", if there is one and none is given."""
        return self._encode_role(sentences, "query", options)

    def encode_document(self, sentences: str | Sequence[str], **options: Any) -> NDArray[Any]:
        """`encode` with the prompt named "passage", if there is one and none is given."""
        return self._encode_role(sentences, "passage", options)

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
        if self._closed:
            raise ClosedError("the FakeEmbedder was closed; make a new one")
        prefix = self._prefix(prompt_name) if prompt is None else prompt
        wanted = Precision.parse(precision)
        dimension = self._kept(checked_dimension(truncate_dim))
        vectors = np.empty((len(texts), dimension), dtype=np.float32)
        counts = np.empty(len(texts), dtype=np.int64)
        truncated = []
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(f"text {index} is of type {type(text).__name__}; expected str")
            words = (prefix + text).split()
            if len(words) + 2 > self.max_tokens:
                truncated.append(index)
                words = words[: self.max_tokens - 2]
            counts[index] = len(words) + 2
            whole = self._vector(" ".join(words))
            vectors[index] = shorten(whole, dimension, normalize=True, index=index)
        ranges = self._ranges.of(dimension, normalize=True) if wanted.needs_ranges else None
        return EmbedResult(quantize(vectors, wanted, ranges), counts, tuple(truncated))

    def dequantize(
        self, vectors: ArrayLike, *, normalize_embeddings: bool = False
    ) -> NDArray[np.float32]:
        """int8 or uint8 vectors as numbers again: float32 of the same shape."""
        return dequantize(vectors, self._ranges, normalize=True)

    def similarity(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.float32]:
        """Cosine of every row of `a` (n, dim) with every row of `b` (m, dim): (n, m) float32.

        Raises InputError for vectors of another precision than float32.
        """
        return cosine_similarity(a, b)

    def close(self) -> None:
        """Later calls raise ClosedError, as with the real one."""
        self._closed = True

    def _encode_role(
        self, sentences: str | Sequence[str], name: str, options: dict[str, Any]
    ) -> NDArray[Any]:
        if options.get("prompt_name") is None and options.get("prompt") is None:
            options["prompt_name"] = name if name in self.prompts else None
        return self.encode(sentences, **options)

    def _prefix(self, prompt_name: str | None) -> str:
        if prompt_name is None:
            return ""
        if prompt_name not in self.prompts:
            known = ", ".join(repr(name) for name in self.prompts) or "none"
            raise InputError(f"there is no prompt named {prompt_name!r}; expected one of {known}")
        return self.prompts[prompt_name]

    def _kept(self, truncate_dim: int | None) -> int:
        return min(
            truncate_dim or self.truncate_dim or self._whole_dimension, self._whole_dimension
        )

    def _vector(self, text: str) -> NDArray[np.float32]:
        # A hash function with output of any length, so that no random generator is involved.
        digest = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(
            self._whole_dimension * 4
        )
        values = np.frombuffer(digest, dtype="<i4").astype(np.float64)
        return (values / np.linalg.norm(values)).astype(np.float32)


class FakeReranker(Closing):
    """Stands in for `ondol.Reranker`: same methods, same shapes, same errors for bad input.

    The score of a pair is the share of the query's different words that the document has, so that
    a test can tell the order; an activation_fn gets it in place of a logit. A pair's tokens are its
    words and four.

    Args:
        max_tokens: a pair with more tokens is reported as truncated; what is beyond does not count.
    """

    def __init__(self, *, max_tokens: int = 512) -> None:
        self.max_tokens = max_tokens
        self.variant = "fake"
        self._closed = False

    def predict(
        self,
        pairs: Pair | Sequence[Pair],
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = False,
        activation_fn: ActivationFunction | None = None,
    ) -> Any:
        """Returns a float32 number for one pair, (n,) float32 for a sequence."""
        single = is_one_pair(pairs)
        scores = self.score(
            [pairs] if single else pairs,  # type: ignore[list-item]
            activation_fn=activation_fn,
        ).scores
        return scores[0] if single else scores

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
        """A dict for each document, best first: corpus_id, score, and text if asked for."""
        check_ranking(documents, top_k)
        pairs = [(query, document) for document in documents]
        scores = self.score(pairs, activation_fn=activation_fn).scores
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
        if self._closed:
            raise ClosedError("the FakeReranker was closed; make a new one")
        scores = np.empty(len(pairs), dtype=np.float32)
        counts = np.empty(len(pairs), dtype=np.int64)
        truncated = []
        for index, pair in enumerate(pairs):
            query, document = (text.split() for text in checked_pair(pair, index))
            room = max(0, self.max_tokens - len(query) - 4)
            if len(document) > room:
                truncated.append(index)
                document = document[:room]
            counts[index] = len(query) + len(document) + 4
            scores[index] = len(set(query) & set(document)) / max(1, len(set(query)))
        activated = scores if activation_fn is None else activation_fn(scores)
        return ScoreResult(activated, counts, tuple(truncated))

    def close(self) -> None:
        """Later calls raise ClosedError, as with the real one."""
        self._closed = True
