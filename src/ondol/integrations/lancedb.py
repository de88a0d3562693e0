"""LanceDB: an embedding function of its registry, called "ondol".

import ondol.integrations.lancedb

function = get_registry().get("ondol").create()

class Note(LanceModel):
    text: str = function.SourceField()
    vector: Vector(function.ndims()) = function.VectorField()

A table remembers it. A program that opens such a table imports this module first.
"""

from typing import Any

from ondol.integrations.extras import library
from ondol.integrations.opening import LazyModel, TextEmbedder, open_embedder

with library("LanceDB", package="lancedb", extra="lancedb"):
    from lancedb.embeddings import EmbeddingFunction, register
    from lancedb.embeddings.utils import TEXT
    from pydantic import PrivateAttr


@register("ondol")
class OndolEmbeddings(EmbeddingFunction):
    """The source column gets the bundle's document prompt, what is searched for its query prompt.

    Made by `create`, whose arguments LanceDB stores with the table.

    Args:
        bundle, variant, threads: as for `ondol.Embedder`; it is opened when it is needed first.
            LanceDB stores the bundle's path as it is given: make it absolute.
    """

    bundle: str | None = None
    variant: str | None = None
    threads: int | None = None
    # Nothing here fails at one time and not at another.
    max_retries: int = 0
    _model: LazyModel[TextEmbedder] = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Called by pydantic when the arguments are known."""
        super().model_post_init(context)
        self._model = LazyModel(open_embedder, self.bundle, self.variant, self.threads, None)

    def ndims(self) -> int:
        """Elements of a vector."""
        return self._model().dimension

    def compute_query_embeddings(self, query: str, *args: Any, **kwargs: Any) -> list[Any]:
        """One (dim,) float32 of L2 norm 1. Raises as `ondol.Embedder` and `Embedder.encode`."""
        return list(self._model().encode_query(self.sanitize_input(query)))

    def compute_source_embeddings(self, texts: TEXT, *args: Any, **kwargs: Any) -> list[Any]:
        """A (dim,) float32 of L2 norm 1 for each text. Raises as `ondol.Embedder` and
        `Embedder.encode`.
        """
        return list(self._model().encode_document(self.sanitize_input(texts)))
