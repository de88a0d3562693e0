"""Which engine runs which variant, and whether it is installed."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ondol.engine import Engine
from ondol.errors import AgreementError, InputError, ManifestError, VariantError
from ondol.manifest import Manifest, VariantRecord
from ondol.runtime.backend import Backend
from ondol.task import Task
from ondol.variants import FASTEST_FIRST, Variant

if TYPE_CHECKING:
    from ondol.runtime.onnx_backend import OnnxBackend
    from ondol.runtime.openvino_backend import OpenVinoBackend


#: Far more than any engine gains from.
_MOST_BATCH_TOKENS = 2**16


def installed(variant: Variant) -> bool:
    """Whether the engine that `variant` has by default can be imported."""
    engine = Engine.of(variant)
    # onnxruntime always is: ondol depends on it.
    return engine is Engine.ONNXRUNTIME or find_spec(engine.module) is not None


def records_for(manifest: Manifest, engine: Engine) -> list[VariantRecord]:
    """The variants that an engine runs. Raises VariantError if the bundle has none."""
    records = [record for record in manifest.variants if engine.runs(record.name)]
    if not records:
        held = ", ".join(record.name.value for record in manifest.variants)
        raise VariantError(f"the bundle holds no variant that {engine} runs; it has {held}")
    return records


def wanted_records(
    manifest: Manifest, variants: Sequence[Variant], engine: Engine | None
) -> list[VariantRecord]:
    """The variants that were named; none named, those that `engine` runs; without one, all.

    Raises VariantError if the bundle does not hold them.
    """
    if variants:
        return [manifest.variant(name) for name in dict.fromkeys(variants)]
    return records_for(manifest, engine) if engine is not None else list(manifest.variants)


def choose_variant(manifest: Manifest, engine: Engine | None = None) -> Variant:
    """The fastest variant whose engine is installed, or that `engine` runs, installed or not.

    Raises VariantError if the bundle has none.
    """
    if engine is None:
        usable = {record.name for record in manifest.variants if installed(record.name)}
    else:
        usable = {record.name for record in records_for(manifest, engine)}
    for variant in FASTEST_FIRST:
        if variant in usable:
            return variant
    raise VariantError(
        "the bundle holds only GGUF variants, which need llama-cpp-python: "
        "pip install 'ondol[gguf]'"
    )


def open_backend(
    bundle: Path, manifest: Manifest, record: VariantRecord, engine: Engine, *, threads: int
) -> Backend:
    """Load one variant's file into its engine.

    Raises BundleError if the engine refuses the file, MissingDependencyError if it is not
    installed, ManifestError if the record lacks what the engine has to know, InputError if the
    engine does not read the variant's format, EngineError if it cannot run it on this processor.
    """
    if not engine.runs(record.name):
        raise InputError(
            f"the engine {engine} does not run {record.name}; {Engine.of(record.name)} does"
        )
    path = bundle / record.path
    # Imported here, so that the user of one engine does not pay for the others.
    match engine:
        case Engine.ONNXRUNTIME:
            from ondol.runtime.onnx_backend import OnnxBackend

            return _with_positions(
                OnnxBackend(
                    path,
                    threads=threads,
                    max_batch_tokens=_batch_tokens(record),
                ),
                manifest,
                path,
            )
        case Engine.OPENVINO:
            from ondol.runtime.openvino_backend import OpenVinoBackend

            return _with_positions(
                OpenVinoBackend(
                    path,
                    threads=threads,
                    # OpenVINO's products with 4-bit weights may add up in another order when
                    # texts share a run: their last bits then depend on the company.
                    max_batch_tokens=0
                    if record.name is Variant.ONNX_INT4
                    else _batch_tokens(record),
                    exact=record.name is Variant.ONNX_FP32,
                ),
                manifest,
                path,
            )
        case Engine.LLAMA_CPP:
            from ondol.runtime.llama_backend import LlamaBackend

            return LlamaBackend(
                path,
                threads=threads,
                max_tokens=manifest.architecture.max_tokens,
                flash_attention=_setting(record, "flash_attention", bool),
                reranks=manifest.task is Task.RERANK,
            )


def _with_positions(
    backend: "OnnxBackend | OpenVinoBackend", manifest: Manifest, path: Path
) -> Backend:
    """Raises AgreementError if texts may be longer than the file has positions."""
    most = manifest.architecture.max_tokens
    if most <= backend.positions:
        return backend
    backend.close()
    raise AgreementError(
        f"{path} has {backend.positions} positions, but texts may have {most} tokens; the file and "
        "the manifest are from different builds: run `ondol build` again"
    )


def _batch_tokens(record: VariantRecord) -> int:
    """Raises ManifestError for batches that no memory would hold."""
    tokens: int = _setting(record, "max_batch_tokens", int)
    if not 0 <= tokens <= _MOST_BATCH_TOKENS:
        raise ManifestError(
            f"ondol.json: max_batch_tokens of the variant {record.name} is {tokens:,}; expected "
            f"from 0 to {_MOST_BATCH_TOKENS:,}: build the bundle again"
        )
    return tokens


def _setting(record: VariantRecord, name: str, kind: type) -> Any:
    value = record.scheme.get(name)
    if type(value) is not kind:
        raise ManifestError(
            f"ondol.json: {name} of the variant {record.name} is {value!r}, expected "
            f"{kind.__name__}; build the bundle again"
        )
    return value
