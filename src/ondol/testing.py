"""For the tests of programs that use ondol: an Embedder without a model.

from ondol.testing import FakeEmbedder

search = MySearch(embedder=FakeEmbedder())
"""

import hashlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ondol.errors import ClosedError, InputError
from ondol.runtime.embedder import EmbedResult
from ondol.runtime.similarity import cosine_similarity


class FakeEmbedder:
    """Stands in for `ondol.Embedder`: same methods, same shapes, same errors for bad input.

    The vector of a text is a hash of the prompt and the text: equal texts have equal vectors on
    every machine, and different texts are about orthogonal. A text's tokens are its words and two.

    Args:
        dimension: columns of a vector.
        max_tokens: a text with more tokens is reported as truncated, and its further words do not
            count.
        prompts: by name.
    """

    def __init__(
        self,
        *,
        dimension: int = 384,
        max_tokens: int = 512,
        prompts: Mapping[str, str] | None = None,
    ) -> None:
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.prompts: Mapping[str, str] = (
            {"query": "query: ", "passage": "passage: "} if prompts is None else prompts
        )
        self.variant = "fake"
        self._closed = False

    def encode(
        self,
        sentences: str | Sequence[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = False,
        normalize_embeddings: bool = False,
        convert_to_numpy: bool = True,
    ) -> NDArray[np.float32]:
        """Returns (dim,) float32 for one text, (n, dim) float32 for a sequence, of norm 1."""
        if not convert_to_numpy:
            raise InputError("convert_to_numpy is False, but vectors are always numpy arrays")
        single = isinstance(sentences, str)
        texts = [sentences] if isinstance(sentences, str) else sentences
        vectors = self.embed(texts, prompt_name=prompt_name, prompt=prompt).vectors
        return vectors[0] if single else vectors

    def encode_query(self, sentences: str | Sequence[str], **options: Any) -> NDArray[np.float32]:
        """`encode` with the prompt named "query", if there is one and none is given."""
        return self._encode_role(sentences, "query", options)

    def encode_document(
        self, sentences: str | Sequence[str], **options: Any
    ) -> NDArray[np.float32]:
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
        normalize_embeddings: bool = False,
    ) -> EmbedResult:
        """`encode` for a sequence, with the number of tokens of each text and which were cut."""
        if self._closed:
            raise ClosedError("the FakeEmbedder was closed; make a new one")
        prefix = self._prefix(prompt_name) if prompt is None else prompt
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
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
            vectors[index] = self._vector(" ".join(words))
        return EmbedResult(vectors, counts, tuple(truncated))

    def similarity(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.float32]:
        """Cosine of every row of `a` (n, dim) with every row of `b` (m, dim): (n, m) float32."""
        return cosine_similarity(a, b)

    def close(self) -> None:
        """Later calls raise ClosedError, as with the real one."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _encode_role(
        self, sentences: str | Sequence[str], name: str, options: dict[str, Any]
    ) -> NDArray[np.float32]:
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

    def _vector(self, text: str) -> NDArray[np.float32]:
        # A hash function with output of any length, so that no random generator is involved.
        digest = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(self.dimension * 4)
        values = np.frombuffer(digest, dtype="<i4").astype(np.float64)
        return (values / np.linalg.norm(values)).astype(np.float32)
