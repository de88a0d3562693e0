"""Checkpoints from the hub: what `ondol build` and `ondol prune` read."""

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from ondol.errors import CheckpointError, DownloadError
from ondol.hub.download import download_file, list_files, snapshot_of
from ondol.hub.names import is_repository

#: The files of a sentence-transformers checkpoint that a build reads, by folder. Repositories
#: often hold the same weights as ONNX, OpenVINO, TensorFlow and Rust files too.
_WANTED = [
    "*.json",
    "1_Pooling/config.json",
    "2_Normalize/config.json",
    "README.md",
    "model*.safetensors",
    "sentencepiece.bpe.model",
]

_WEIGHTS = "model*.safetensors"

#: The pickled weights, only taken where there are no safetensors.
_PICKLED_WEIGHTS = "pytorch_model*.bin"


@dataclass(frozen=True)
class Resolved:
    """A checkpoint directory, and what it was called.

    Attributes:
        revision: the hub's commit, or None for a directory.
    """

    directory: Path
    id: str
    revision: str | None


def resolve(source: str, revision: str | None = None) -> Resolved:
    """The directory `source`, or the hub repository of that id, downloaded to the hub's cache.

    A directory of that name always wins. A branch or tag is pinned to its commit first, so that
    all files are of one commit.

    Raises CheckpointError if `source` is neither a directory nor a hub id, if the repository is no
    checkpoint, or if a revision is asked of a directory; DownloadError if the hub does not give
    it; MissingDependencyError without huggingface_hub.
    """
    if Path(source).is_dir():
        if revision is not None:
            raise CheckpointError(f"{source} is a directory and has no revision {revision!r}")
        directory = Path(source).resolve()
        return Resolved(Path(source), directory.name, None)
    if not is_repository(source):
        raise CheckpointError(
            f"{source!r} is neither a directory nor a hub id of the form ORGANISATION/NAME"
        )
    config = download_file(source, "config.json", revision)
    if config is None:
        raise CheckpointError(
            f"the hub repository {source} holds no config.json; expected a model as transformers "
            "or sentence-transformers saves it"
        )
    directory = snapshot_of(config, "config.json")
    held = list_files(source, directory)
    wanted = [name for name in held if any(_matches(name, pattern) for pattern in _WANTED)]
    if not any(_matches(name, _WEIGHTS) for name in wanted):
        pickled = [name for name in held if _matches(name, _PICKLED_WEIGHTS)]
        if not pickled:
            raise DownloadError(
                f"{source} at {directory.name} holds neither {_WEIGHTS} nor {_PICKLED_WEIGHTS}, or "
                "they are not in the cache and the hub was not asked: see that the repository has "
                "weights for PyTorch, that the hub can be reached and that HF_HUB_OFFLINE is unset"
            )
        wanted += pickled
    for name in wanted:
        if download_file(source, name, directory.name) is None:
            raise DownloadError(
                f"{source} at {directory.name} lists {name} but does not hold it: try again later"
            )
    return Resolved(directory, source, directory.name)


def _matches(name: str, pattern: str) -> bool:
    """As a shell does: `*` stays within a folder."""
    return name.count("/") == pattern.count("/") and fnmatch(name, pattern)
