"""The model behind an adapter: given, or opened at its first use and shared."""

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from numpy.typing import NDArray

from ondol.errors import InputError
from ondol.integrations.source import BundleSource
from ondol.runtime.embedder import Embedder

Model = TypeVar("Model")


class TextEmbedder(Protocol):
    """What adapters need of `ondol.Embedder`; `ondol.testing.FakeEmbedder` has it too."""

    @property
    def dimension(self) -> int: ...

    def encode_query(self, sentences: str | Sequence[str], **options: Any) -> NDArray[Any]: ...

    def encode_document(self, sentences: str | Sequence[str], **options: Any) -> NDArray[Any]: ...


class TextRanker(Protocol):
    """What adapters need of `ondol.Reranker`."""

    def rank(
        self, query: str, documents: Sequence[str], *, top_k: int | None = None
    ) -> list[dict[str, Any]]: ...


class LazyModel(Generic[Model]):
    """Call it for the model.

    Frameworks make adapters freely: Chroma at every look at a collection, Haystack one for queries
    and one for documents. So a bundle is opened once at a time: adapters of the same source share
    its model for as long as one of them is there.

    Args:
        open_source: opens a model; a function of a module, so that this can be pickled.
        bundle, variant, threads: as for `ondol.Embedder`.
        ready: a model to use instead.

    Raises InputError if a ready model comes together with other arguments.
    """

    def __init__(
        self,
        open_source: Callable[[BundleSource], Model],
        bundle: str | os.PathLike[str] | None,
        variant: str | None,
        threads: int | None,
        ready: Model | None,
    ) -> None:
        if ready is not None and (bundle, variant, threads) != (None, None, None):
            raise InputError(
                f"got a ready {type(ready).__name__} and also bundle={bundle!r}, "
                f"variant={variant!r}, threads={threads!r}; expected one or the other"
            )
        self._open = open_source
        self._named = BundleSource.of(bundle, variant, threads) if ready is None else None
        self._model = ready

    def __call__(self) -> Model:
        """Raises what opening it raises: BundleError, VariantError, MissingDependencyError, … ."""
        if self._model is None:
            self._model = self._open(self.source)
        return self._model

    @property
    def source(self) -> BundleSource:
        """For a framework that stores it. Raises InputError for a ready model that these values
        do not describe.
        """
        return BundleSource.of_model(self._model) if self._named is None else self._named

    def __getstate__(self) -> dict[str, Any]:
        # What has a name is opened again, and shared, where it arrives.
        return self.__dict__ | ({} if self._named is None else {"_model": None})


def open_embedder(source: BundleSource) -> Embedder:
    """The Embedder of a source, shared. Raises as `ondol.Embedder`."""
    embedder: Embedder = _shared(Embedder, source)
    return embedder


def open_reranker(source: BundleSource) -> TextRanker:
    """The Reranker of a source, shared. Raises as `ondol.Reranker`."""
    from ondol import Reranker

    reranker: TextRanker = _shared(Reranker, source)
    return reranker


#: Models that some adapter holds, by class and source.
_HELD: WeakValueDictionary[tuple[type, BundleSource], Any] = WeakValueDictionary()
_OPENING = threading.Lock()


def _shared(kind: type, source: BundleSource) -> Any:
    # Under the lock: two threads that come at once must not load the same file twice.
    with _OPENING:
        key = (kind, source)
        model = _HELD.get(key)
        if model is None:
            model = kind(source.bundle, variant=source.variant, threads=source.threads)
            _HELD[key] = model
        return model
