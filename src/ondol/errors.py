"""Every error that a user of ondol can meet.

OndolError
├── CheckpointError            the source model is missing, damaged or of an unsupported kind
├── ConversionError            a stage of `ondol build` or `ondol prune` could not finish
│   └── ParityError            a built variant differs too much from the PyTorch reference
├── BundleError                a bundle does not load
│   ├── BundleNotFoundError    no such directory, or no ondol.json in it
│   ├── ManifestError          ondol.json is damaged or of an unknown schema
│   ├── ChecksumError          a file is missing, or its size or sha256 differs from the manifest
│   ├── AgreementError         tokenizer, model and manifest come from different builds
│   └── SelfTestError          the engine's vectors differ from the stored reference vectors
├── HubError                   an exchange with the Hugging Face hub failed
│   ├── DownloadError          the hub did not give what was asked of it, or gave it damaged
│   └── UploadError            the hub did not take a bundle
├── VariantError               no such variant name, or the bundle does not hold it
├── MissingDependencyError     an optional package is needed; the message names the extra
├── InputError                 the caller's texts, prompts or files cannot be used
├── ResumeError                an output folder holds another run than the one to be continued
├── OutputError                a result cannot be written: no permission, or no room
├── SearchError                a search index cannot be read or written
│   ├── IndexNotFoundError     there is no index file where one was expected
│   ├── IndexFormatError       the file is no search index, or of a schema of another version
│   ├── IndexDamagedError      SQLite finds the index file damaged
│   ├── IndexModelError        the index holds the vectors of another model
│   └── IndexBusyError         another process is writing to the index
├── EngineError                the engine failed while it ran
├── NumericalError             the engine returned NaN, infinity or a zero vector for a text
└── ClosedError                the model was used after close()
"""


class OndolError(Exception):
    """Base of every error that ondol raises on purpose."""


class CheckpointError(OndolError):
    """The source model is missing, damaged or of an unsupported kind."""


class ConversionError(OndolError):
    """A stage of a build or prune could not finish; nothing was left behind."""


class ParityError(ConversionError):
    """A built variant differs from the PyTorch reference by more than its floor allows."""


class BundleError(OndolError):
    """A bundle does not load."""


class BundleNotFoundError(BundleError):
    """No such directory, or no ondol.json in it."""


class ManifestError(BundleError):
    """ondol.json is damaged or of a schema that this version does not know."""


class ChecksumError(BundleError):
    """A file of the bundle is missing, or its size or sha256 differs from the manifest."""


class AgreementError(BundleError):
    """Tokenizer, model and manifest do not describe the same vocabulary or width."""


class SelfTestError(BundleError):
    """The engine's vectors for the reference texts differ from the stored ones."""


class HubError(OndolError):
    """An exchange with the Hugging Face hub failed."""


class DownloadError(HubError):
    """The hub did not give what was asked of it, or gave it damaged."""


class UploadError(HubError):
    """The hub did not take a bundle."""


class VariantError(OndolError):
    """No such variant name, or the bundle does not hold it."""


class MissingDependencyError(OndolError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, purpose: str, package: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed: "
            f"pip install 'ondol[{extra}]'"
        )
        self.purpose = purpose
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        # By default an exception is made again of its message alone: it could not leave a worker.
        return type(self), (self.purpose, self.package, self.extra)


class InputError(OndolError, ValueError):
    """The caller's texts, prompts or files cannot be used."""


class ResumeError(OndolError):
    """An output folder holds another run than the one that is to be continued there."""


class OutputError(OndolError):
    """A result cannot be written where it should be: no permission, or no room."""


class SearchError(OndolError):
    """A search index cannot be read or written."""


class IndexNotFoundError(SearchError):
    """There is no index file where one was expected."""


class IndexFormatError(SearchError):
    """The file is no search index, or of a schema that this version does not know."""


class IndexDamagedError(SearchError):
    """SQLite finds the index file damaged."""


class IndexModelError(SearchError):
    """The index holds the vectors of another model; the message names it."""


class IndexBusyError(SearchError):
    """Another process is writing to the index."""


class EngineError(OndolError):
    """The engine failed while it ran a text; the message has its reason."""


class NumericalError(OndolError):
    """The engine returned NaN, infinity or a zero vector for a text."""


class ClosedError(OndolError):
    """The model was used after close()."""
