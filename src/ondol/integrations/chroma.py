"""Chroma: an embedding function that a collection remembers.

from ondol.integrations.chroma import OndolEmbeddingFunction

collection = client.create_collection("notes", embedding_function=OndolEmbeddingFunction())

Importing this module registers it: `client.get_collection("notes")` then finds it by itself.
"""

import os
from typing import Any

from ondol.errors import InputError
from ondol.integrations.extras import library
from ondol.integrations.opening import LazyModel, TextEmbedder, open_embedder
from ondol.integrations.source import BundleSource

with library("Chroma", package="chromadb", extra="chroma"):
    from chromadb.api.types import Documents, EmbeddingFunction, Embeddings, Space
    from chromadb.utils.embedding_functions import register_embedding_function


@register_embedding_function
class OndolEmbeddingFunction(EmbeddingFunction[Documents]):
    """What is added gets the bundle's document prompt, what is searched for its query prompt.

    Args:
        bundle, variant, threads: as for `ondol.Embedder`; it is opened when the first text comes.
        embedder: a ready one, instead of these. Whoever made it closes it.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str] | None = None,
        *,
        variant: str | None = None,
        threads: int | None = None,
        embedder: TextEmbedder | None = None,
    ) -> None:
        self._model = LazyModel(open_embedder, bundle, variant, threads, embedder)

    def __call__(self, input: Documents) -> Embeddings:  # noqa: A002  Chroma compares the names
        """Vectors of L2 norm 1. Raises as `ondol.Embedder` and `Embedder.encode`."""
        return list(self._model().encode_document(input))

    def embed_query(self, input: Documents) -> Embeddings:  # noqa: A002
        """Vectors of queries, L2 norm 1. Raises as `ondol.Embedder` and `Embedder.encode`."""
        return list(self._model().encode_query(input))

    @staticmethod
    def name() -> str:
        """The name under which Chroma stores it."""
        return "ondol"

    def default_space(self) -> Space:
        """The measure that these vectors are made for."""
        return "cosine"

    def get_config(self) -> dict[str, Any]:
        """What the collection stores. Raises InputError for a ready embedder that a bundle, a
        variant and a number of threads do not describe.
        """
        return self._model.source.to_dict()

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "OndolEmbeddingFunction":
        """What `get_config` gave. Raises InputError for anything else."""
        return OndolEmbeddingFunction(**BundleSource.parse(config).to_dict())

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """Raises InputError for what `get_config` does not give."""
        BundleSource.parse(config)

    def validate_config_update(
        self, old_config: dict[str, Any], new_config: dict[str, Any]
    ) -> None:
        """Raises InputError if the bundle changes: its vectors do not fit those that are stored.

        Another variant or number of threads is no other model.
        """
        old, new = BundleSource.parse(old_config).bundle, BundleSource.parse(new_config).bundle
        if old != new:
            raise InputError(
                f"the collection was made with the bundle {old or 'of the package'}, and "
                f"{new or 'the one of the package'} has other vectors; make a new collection"
            )
