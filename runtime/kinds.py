"""Which class runs which bundle."""

from ondol.manifest import Manifest
from ondol.runtime.embedder import Embedder
from ondol.runtime.reranker import Reranker
from ondol.task import Task

Model = Embedder | Reranker


def class_of(manifest: Manifest) -> type[Embedder] | type[Reranker]:
    """Embedder for an encoder's bundle, Reranker for a reranker's."""
    return Embedder if manifest.task is Task.EMBED else Reranker
