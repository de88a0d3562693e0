"""ondol itself, a variant of a bundle, opened as a user opens it: with all checks."""

from pathlib import Path

from peers.contender import Contender, Encode


def contender(
    bundle: Path, variant: str, files: tuple[str, str], engine: str | None = None
) -> Contender:
    """files: the variant's and the tokenizer's; engine: None for the one it has by default."""
    return Contender(
        name(variant, engine),
        __name__,
        None,
        bundle,
        files,
        ("ondol", "numpy", "onnxruntime", "openvino", "llama-cpp-python", "tokenizers"),
        {"variant": variant, **({"engine": engine} if engine else {})},
    )


def name(variant: str, engine: str | None = None) -> str:
    """In the tables."""
    return f"ondol {variant}, {engine}" if engine else f"ondol {variant}"


def load(source: Path, threads: int, variant: str, engine: str | None = None) -> Encode:
    """`Embedder.encode`."""
    from ondol import Embedder

    return Embedder(source, variant=variant, engine=engine, threads=threads).encode
