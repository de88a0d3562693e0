"""model2vec: static vectors distilled from the model, the extreme of speed.

`distill` with its defaults: vectors of the single pieces, reduced to 256 dimensions by PCA,
weighted by frequency rank, stored in float16. It is another model and not the same one run faster:
its vectors have no cosine with the encoder's.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peers.contender import Contender, Encode

ENVIRONMENT = "model2vec"
FOLDER = "model2vec"


def contenders(place: Path) -> list[Contender]:
    """The distilled model."""
    return [
        Contender(
            "model2vec, distilled",
            __name__,
            ENVIRONMENT,
            place / FOLDER,
            ("model.safetensors", "config.json", "tokenizer.json"),
            ("model2vec", "tokenizers", "numpy"),
        )
    ]


def prepare(checkpoint: Path, out: Path, texts: Sequence[str]) -> None:
    """Distil; needs no texts."""
    from model2vec.distill import distill

    distill(str(checkpoint)).save_pretrained(str(out))


def load(source: Path, threads: int) -> Encode:
    """`StaticModel.encode`. Runs on one thread; `tokenizers` takes those of its environment."""
    from model2vec import StaticModel

    return functools.partial(_encode, StaticModel.from_pretrained(str(source)).encode)


def _encode(encode: Encode, texts: Sequence[str]) -> NDArray[np.float32]:
    # Stored in float16, it answers in float16 or float32 by its own version.
    return np.asarray(encode(list(texts)), dtype=np.float32)
