"""CTranslate2's Encoder in int8, twice: all threads on one batch, and a batch on each thread.

`intra_threads` is for one text at a time, `inter_threads` for many; its documentation leaves the
choice to the user. It has no `encode`: tokenizing, sorting, batches and pooling are ours, as
sentence-transformers has them, with `tokenizers` alone.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peers.batches import in_batches, mean_pooled
from peers.contender import Contender, Encode

ENVIRONMENT = "ctranslate2"
FOLDER = "ctranslate2"


def contenders(place: Path) -> list[Contender]:
    """int8 with both ways to use the threads."""
    return [
        Contender(
            name,
            __name__,
            ENVIRONMENT,
            place / FOLDER,
            ("model.bin", "config.json", "vocabulary.json", "tokenizer.json"),
            ("ctranslate2", "tokenizers"),
            {"parallel_batches": parallel},
        )
        for name, parallel in (
            ("CTranslate2 int8, intra_threads", False),
            ("CTranslate2 int8, inter_threads", True),
        )
    ]


def prepare(checkpoint: Path, out: Path, texts: Sequence[str]) -> None:
    """The converter's int8; needs no texts."""
    from ctranslate2.converters import TransformersConverter

    converter = TransformersConverter(str(checkpoint), copy_files=["tokenizer.json"])
    converter.convert(str(out), quantization="int8", force=True)


def load(source: Path, threads: int, parallel_batches: bool) -> Encode:
    """Token ids in lists, last hidden states out."""
    import ctranslate2
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.enable_truncation(512)
    encoder = ctranslate2.Encoder(
        str(source),
        device="cpu",
        compute_type="int8",
        inter_threads=threads if parallel_batches else 1,
        intra_threads=1 if parallel_batches else threads,
    )

    def encode_batch(texts: list[str]) -> NDArray[np.float32]:
        ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        output = encoder.forward_batch(ids)
        states = np.array(output.last_hidden_state)  # (texts, tokens, dim)
        return mean_pooled(states, np.array([len(one) for one in ids]))

    if not parallel_batches:
        return lambda texts: in_batches(texts, encode_batch)
    # forward_batch waits for its batch and lets other Python threads run meanwhile.
    pool = ThreadPoolExecutor(threads)
    return lambda texts: in_batches(texts, encode_batch, pool.map)
