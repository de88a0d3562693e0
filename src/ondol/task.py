"""What a model is for."""

from enum import Enum


class Task(Enum):
    """What a model makes of its input; the value is its name in a manifest."""

    EMBED = "embed"
    RERANK = "rerank"

    @property
    def class_name(self) -> str:
        """The class of the package that runs such bundles."""
        return "Embedder" if self is Task.EMBED else "Reranker"

    @property
    def article(self) -> str:
        """The kind of bundle, for sentences."""
        return "an encoder" if self is Task.EMBED else "a reranker"

    def __str__(self) -> str:
        return self.value
