"""What search needs of a model."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray


class Model(Protocol):
    """`ondol.Embedder`, or `ondol.testing.FakeEmbedder`."""

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    @property
    def prompts(self) -> Mapping[str, str]: ...

    @property
    def variant(self) -> str: ...

    @property
    def identity(self) -> Mapping[str, str]: ...

    def token_spans(self, text: str) -> list[tuple[int, int]]: ...

    def encode_query(self, sentences: str | Sequence[str], **options: Any) -> NDArray[Any]: ...

    def encode_document(self, sentences: str | Sequence[str], **options: Any) -> NDArray[Any]: ...
