"""llama-cpp-python's `Llama.embed` on the GGUF file of a bundle, and the same with flash attention.

`n_batch` 512 holds the longest text, which an encoder cannot split; without flash attention is its
default. It tokenizes by itself, cuts texts to 512 tokens and so loses their `</s>`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peers.contender import Contender, Encode

ENVIRONMENT = "sentence-transformers"


def contenders(file: Path, variant: str) -> list[Contender]:
    """file: the GGUF file of that variant, which ondol runs too."""
    return [
        Contender(
            name,
            __name__,
            ENVIRONMENT,
            file.parent,
            (file.name,),
            ("llama-cpp-python",),
            {"file": file.name, "flash_attention": flash},
        )
        for name, flash in zip(names(variant), (False, True), strict=True)
    ]


def names(variant: str) -> tuple[str, str]:
    """As it is by default, and with flash attention."""
    name = f"llama-cpp-python {variant}"
    return name, f"{name}, flash attention"


def load(source: Path, threads: int, file: str, flash_attention: bool) -> Encode:
    """`Llama.embed`."""
    from llama_cpp import Llama

    model = Llama(
        str(source / file),
        embedding=True,
        n_ctx=512,
        n_batch=512,
        n_ubatch=512,
        n_threads=threads,
        n_threads_batch=threads,
        flash_attn=flash_attention,
        verbose=False,
    )

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array(model.embed(list(texts), normalize=True), dtype=np.float32)

    return encode
