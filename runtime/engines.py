"""Which engine runs which variant, and whether it is installed."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ondol.errors import ManifestError, VariantError
from ondol.manifest import Manifest, VariantRecord
from ondol.runtime.backend import Backend
from ondol.variants import FASTEST_FIRST, Variant


def installed(variant: Variant) -> bool:
    """Whether the engine of `variant` can be imported."""
    return variant.format == "onnx" or find_spec("llama_cpp") is not None


def choose_variant(manifest: Manifest) -> Variant:
    """The fastest variant of the bundle whose engine is installed. Raises VariantError if none."""
    held = {record.name for record in manifest.variants}
    for variant in FASTEST_FIRST:
        if variant in held and installed(variant):
            return variant
    raise VariantError(
        "the bundle holds only GGUF variants, which need llama-cpp-python: "
        "pip install 'ondol[gguf]'"
    )


def open_backend(
    bundle: Path, manifest: Manifest, record: VariantRecord, *, threads: int
) -> Backend:
    """Load one variant's file into its engine.

    Raises BundleError if the engine refuses the file, MissingDependencyError if it is not
    installed, ManifestError if the record lacks what the engine has to know.
    """
    path = bundle / record.path
    if record.name.format == "onnx":
        # Imported here, so that a GGUF user does not pay for onnxruntime, nor the other way round.
        from ondol.runtime.onnx_backend import OnnxBackend

        return OnnxBackend(
            path, threads=threads, max_batch_tokens=_setting(record, "max_batch_tokens", int)
        )
    from ondol.runtime.llama_backend import LlamaBackend

    return LlamaBackend(
        path,
        threads=threads,
        max_tokens=manifest.architecture.max_tokens,
        flash_attention=_setting(record, "flash_attention", bool),
    )


def _setting(record: VariantRecord, name: str, kind: type) -> Any:
    value = record.scheme.get(name)
    if type(value) is not kind:
        raise ManifestError(
            f"ondol.json: {name} of the variant {record.name} is {value!r}, expected "
            f"{kind.__name__}; build the bundle again"
        )
    return value
