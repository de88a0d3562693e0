"""What can be measured: each kind of model, opened only when its vectors are not there yet."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ondol.engine import Engine
from ondol.errors import InputError
from ondol.files import sha256_of
from ondol.manifest import Manifest
from ondol.runtime.engines import choose_variant
from ondol.variants import Variant
from quality.sets import PROMPTS

#: Texts, prompts included, to (texts, dim) float32 in the same order.
Encode = Callable[[Sequence[str]], NDArray[np.float32]]


class Model(Protocol):
    """A source of vectors."""

    def identity(self) -> str:
        """Changes with everything that may change a vector: weights, tokenizer, engine.

        A legal name of a directory. Raises OndolError if the model is not there.
        """
        ...

    def open(self) -> AbstractContextManager[Encode]:
        """Load it, and free it at the end. Raises OndolError if it cannot run."""
        ...


def identity_of(readable: str, *parts: str) -> str:
    """A name of a directory: `readable` and a hash of everything that may change a vector."""
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{readable}-{digest[:16]}"


@dataclass(frozen=True)
class Bundle:
    """One variant of a bundle, run by ondol.

    Attributes:
        path: the bundle's directory.
        variant: None takes the bundle's default.
        engine: None takes the variant's own.
    """

    path: Path
    variant: Variant | None = None
    engine: Engine | None = None

    def identity(self) -> str:
        manifest = Manifest.read(self.path)
        variant = self.variant or choose_variant(manifest)
        stated = {role: manifest.prompts.get(role, text) for role, text in PROMPTS.items()}
        if stated != PROMPTS:
            raise InputError(
                f"{self.path} asks for the prompts {stated}, but the sets are encoded with "
                f"{PROMPTS}; its scores would say nothing"
            )
        engine = self.engine or Engine.of(variant)
        return identity_of(
            variant.value,
            manifest.variant(variant).sha256,
            manifest.tokenizer.sha256,
            *_versions("ondol", "tokenizers", engine.package),
        )

    @contextmanager
    def open(self) -> Iterator[Encode]:
        from ondol import Embedder

        variant = self.variant.value if self.variant else None
        engine = self.engine.value if self.engine else None
        with Embedder(self.path, variant=variant, engine=engine) as embedder:
            yield lambda texts: embedder.encode(
                texts, show_progress_bar=True, normalize_embeddings=True
            )


@dataclass(frozen=True)
class CheckpointDirectory:
    """A checkpoint in float32, run by sentence-transformers on the processor."""

    path: Path

    def identity(self) -> str:
        if not (self.path / "modules.json").is_file():
            raise InputError(
                f"{self.path} is neither a bundle (no ondol.json) nor a checkpoint that "
                "sentence-transformers saved (no modules.json); name a directory of either kind"
            )
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return identity_of(
            "torch",
            *(f"{path.relative_to(self.path)} {sha256_of(path)}" for path in files),
            *_versions("torch", "transformers", "tokenizers", "sentence-transformers"),
        )

    @contextmanager
    def open(self) -> Iterator[Encode]:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(self.path), device="cpu")
        # An empty prompt: the texts have theirs, whatever the checkpoint's configuration says.
        yield lambda texts: np.asarray(
            model.encode(
                list(texts),
                prompt="",
                batch_size=32,
                show_progress_bar=True,
                normalize_embeddings=True,
            ),
            dtype=np.float32,
        )


@dataclass(frozen=True)
class NamedModel:
    """A model and what the tables call it."""

    name: str
    model: Model


def parse_model(argument: str) -> NamedModel:
    """`[NAME=]BUNDLE[:VARIANT[:ENGINE]]` or `[NAME=]CHECKPOINT`.

    The default name is the path's last part. Raises VariantError for an unknown variant, InputError
    for an unknown engine.
    """
    name, separator, place = argument.rpartition("=")
    path, _, run = place.partition(":")
    variant, _, engine = run.partition(":")
    name = name if separator else Path(place).name
    if variant or (Path(path) / "ondol.json").is_file():
        bundle = Bundle(
            Path(path),
            Variant.parse(variant) if variant else None,
            Engine.parse(engine) if engine else None,
        )
        return NamedModel(name, bundle)
    return NamedModel(name, CheckpointDirectory(Path(path)))


def _versions(*packages: str) -> list[str]:
    return [f"{package} {version(package)}" for package in packages]
