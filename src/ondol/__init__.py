"""Korean and English text embeddings on the device: no torch, no download, the same vectors.

from ondol import Embedder

model = Embedder()                                  # the bundle inside the package
query = model.encode_query("국내 여행지")             # (384,) float32
texts = model.encode_document(["…", "…"])           # (2, 384) float32
scores = model.similarity(query, texts)             # (1, 2) float32
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ondol.errors import (
    AgreementError,
    BundleError,
    BundleNotFoundError,
    CheckpointError,
    ChecksumError,
    ClosedError,
    ConversionError,
    DownloadError,
    EngineError,
    HubError,
    IndexBusyError,
    IndexDamagedError,
    IndexFormatError,
    IndexModelError,
    IndexNotFoundError,
    InputError,
    ManifestError,
    MissingDependencyError,
    NumericalError,
    OndolError,
    OutputError,
    ParityError,
    ResumeError,
    SearchError,
    SelfTestError,
    UploadError,
    VariantError,
)

if TYPE_CHECKING:
    from ondol.runtime.embedder import Embedder, EmbedResult
    from ondol.runtime.reports import TruncationWarning
    from ondol.runtime.reranker import Reranker, ScoreResult

__version__ = "0.1.0"

__all__ = [
    "AgreementError",
    "BundleError",
    "BundleNotFoundError",
    "CheckpointError",
    "ChecksumError",
    "ClosedError",
    "ConversionError",
    "DownloadError",
    "EmbedResult",
    "Embedder",
    "EngineError",
    "HubError",
    "IndexBusyError",
    "IndexDamagedError",
    "IndexFormatError",
    "IndexModelError",
    "IndexNotFoundError",
    "InputError",
    "ManifestError",
    "MissingDependencyError",
    "NumericalError",
    "OndolError",
    "OutputError",
    "ParityError",
    "Reranker",
    "ResumeError",
    "ScoreResult",
    "SearchError",
    "SelfTestError",
    "TruncationWarning",
    "UploadError",
    "VariantError",
    "__version__",
]

#: Imported at first use, so that `import ondol` costs no numpy and no tokenizer.
_LAZY = {
    "EmbedResult": "ondol.runtime.embedder",
    "Embedder": "ondol.runtime.embedder",
    "Reranker": "ondol.runtime.reranker",
    "ScoreResult": "ondol.runtime.reranker",
    "TruncationWarning": "ondol.runtime.reports",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
