"""Checkpoints from the Hugging Face hub. Only ever called with an id that the user gave."""

import re
from dataclasses import dataclass
from pathlib import Path

from ondol.errors import CheckpointError, MissingDependencyError

#: The files of a sentence-transformers checkpoint that a build reads. Repositories often hold the
#: same weights as ONNX, OpenVINO, TensorFlow and Rust files too.
_WANTED = [
    "*.json",
    "1_Pooling/config.json",
    "2_Normalize/config.json",
    "README.md",
    "model*.safetensors",
    "sentencepiece.bpe.model",
]

#: The pickled weights, only taken where there are no safetensors.
_PICKLED = "pytorch_model*.bin"


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

    HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE and HF_TOKEN mean what they mean to huggingface_hub.

    Raises CheckpointError if `source` is neither a directory nor a reachable repository, or if a
    revision is asked of a directory; MissingDependencyError without huggingface_hub.
    """
    if Path(source).is_dir():
        if revision is not None:
            raise CheckpointError(f"{source} is a directory and has no revision {revision!r}")
        directory = Path(source).resolve()
        return Resolved(Path(source), directory.name, None)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", source) or source.startswith((".", "/")):
        raise CheckpointError(
            f"{source!r} is neither a directory nor a hub id of the form ORGANISATION/NAME"
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingDependencyError(
            "downloading a checkpoint", "huggingface_hub", "convert"
        ) from error
    try:
        directory = Path(snapshot_download(source, revision=revision, allow_patterns=_WANTED))
        if not any(directory.glob("model*.safetensors")):
            patterns = [*_WANTED, _PICKLED]
            snapshot_download(source, revision=directory.name, allow_patterns=patterns)
    except Exception as error:  # hub errors, HTTP errors, OSError: one message for the user
        raise CheckpointError(
            f"cannot get {source}{f' at {revision}' if revision else ''} from the hub: {error}"
        ) from error
    # snapshot_download keeps every commit in a directory of its own, named by the commit.
    return Resolved(directory, source, directory.name)
