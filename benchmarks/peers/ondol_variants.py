"""ondol itself, a variant of a bundle, opened as a user opens it: with all checks."""

from collections.abc import Iterable
from pathlib import Path

from peers.contender import Contender, Encode


def contenders(
    bundle: Path, tokenizer: str, variants: Iterable[tuple[str, str]]
) -> list[Contender]:
    """variants: names and files; tokenizer: its file."""
    return [
        Contender(
            name(variant),
            __name__,
            None,
            bundle,
            (file, tokenizer),
            ("ondol", "numpy", "onnxruntime", "llama-cpp-python", "tokenizers"),
            {"variant": variant},
        )
        for variant, file in variants
    ]


def name(variant: str) -> str:
    """In the tables."""
    return f"ondol {variant}"


def load(source: Path, threads: int, variant: str) -> Encode:
    """`Embedder.encode`."""
    from ondol import Embedder

    return Embedder(source, variant=variant, threads=threads).encode
