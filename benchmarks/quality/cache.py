"""Vectors on disk, so that a run that was stopped goes on, and a further model is added to it."""

import hashlib
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ondol.errors import InputError
from ondol.files import atomic_file
from quality.models import Encode, NamedModel
from quality.sets import Texts


def vectors_of(
    named: NamedModel, wanted: Iterable[Texts], folder: Path
) -> dict[str, NDArray[np.float32]]:
    """Vectors of all texts by one model, by the name of the texts; encoded only if not stored.

    Each `Texts` is one file, `folder`/<identity of the model>/<name>-<hash of the texts>.npy,
    written when it is complete. The model is opened only if a file is missing.

    Raises OndolError if the model is missing, cannot run, or returns something else than one
    finite vector per text.
    """
    place = folder / named.model.identity()
    found: dict[str, NDArray[np.float32]] = {}
    with ExitStack() as opened:
        encode: Encode | None = None
        for texts in wanted:
            path = place / f"{texts.name}-{_hash(texts)}.npy"
            if not path.is_file():
                encode = encode or opened.enter_context(named.model.open())
                _store(path, texts, encode, named.name)
            found[texts.name] = np.load(path)
    return found


def _store(path: Path, texts: Texts, encode: Encode, model: str) -> None:
    print(f"{model}: {texts.name}, {len(texts.texts):,} texts", file=sys.stderr, flush=True)
    started = time.monotonic()
    vectors = np.asarray(encode(texts.texts), dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts.texts) or not np.isfinite(vectors).all():
        raise InputError(
            f"{model} returned an array of shape {vectors.shape} for {len(texts.texts)} texts of "
            f"{texts.name}, {np.count_nonzero(~np.isfinite(vectors))} values not finite; expected "
            "one finite vector per text"
        )
    with atomic_file(path) as partial, partial.open("wb") as file:
        np.save(file, vectors)
    print(f"  {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _hash(texts: Texts) -> str:
    digest = hashlib.sha256()
    for text in texts.texts:
        encoded = text.encode()
        # The length first: ("ab", "c") and ("a", "bc") are different texts.
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()[:16]
