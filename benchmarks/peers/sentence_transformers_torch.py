"""sentence-transformers with PyTorch, float32: the reference of all vectors.

Its own defaults: texts sorted by length, batches of 32.
"""

import functools
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from peers.contender import Contender, Encode

ENVIRONMENT = "sentence-transformers"
FOLDER = "checkpoint"
NAME = "sentence-transformers, torch"


def contenders(place: Path) -> list[Contender]:
    """The checkpoint as it is."""
    return [
        Contender(
            NAME,
            __name__,
            ENVIRONMENT,
            place / FOLDER,
            ("model.safetensors", "tokenizer.json"),
            ("sentence-transformers", "torch", "transformers"),
        )
    ]


def prepare(checkpoint: Path, out: Path, texts: Sequence[str]) -> None:
    """A copy, so that what is compared stays what it was."""
    shutil.copytree(checkpoint, out, dirs_exist_ok=True)


def load(source: Path, threads: int) -> Encode:
    """`SentenceTransformer.encode`."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    logging.disable(logging.WARNING)
    model = SentenceTransformer(str(source), device="cpu")
    return functools.partial(model.encode, show_progress_bar=False)
