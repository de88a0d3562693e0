"""OpenVINO on the same files: integers where the plan has them, and clear refusals."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ondol.engine import Engine
from ondol.errors import (
    AgreementError,
    BundleError,
    ClosedError,
    EngineError,
    InputError,
    MissingDependencyError,
    VariantError,
)
from ondol.manifest import Manifest
from ondol.runtime import lone_calls, openvino_backend
from ondol.runtime.embedder import Embedder
from ondol.runtime.engines import choose_variant
from ondol.runtime.onnx_backend import OnnxBackend
from ondol.runtime.openvino_backend import OpenVinoBackend, products_are_exact
from ondol.runtime.parity import measure_parity
from ondol.variants import Variant

openvino = pytest.importorskip("openvino")

IDS = [[0, 5, 6, 7, 2], [0, 7, 9, 5, 2], [0, 6, 6, 8, 2]]


@pytest.fixture
def fresh() -> Iterator[None]:
    products_are_exact.cache_clear()
    yield
    products_are_exact.cache_clear()


def open_backend(bundle: Path, variant: str, threads: int = 2) -> OpenVinoBackend:
    path = bundle / Variant.parse(variant).path
    exact = variant == "onnx-fp32"
    return OpenVinoBackend(path, threads=threads, max_batch_tokens=512, exact=exact)


def test_float_states_are_those_of_onnxruntime(tiny_bundle: Path) -> None:
    backend = open_backend(tiny_bundle, "onnx-fp32")
    path = tiny_bundle / Variant.ONNX_FP32.path
    reference = OnnxBackend(path, threads=1, max_batch_tokens=512)
    assert (backend.vocab_rows, backend.columns) == (
        reference.vocab_rows,
        reference.columns,
    )
    found, expected = backend.outputs(IDS), reference.outputs(IDS)
    assert [states.shape for states in found] == [(5, 32)] * 3
    assert all(states.dtype == np.float32 for states in found)
    assert np.abs(np.stack(found) - np.stack(expected)).max() <= 1e-5


def profile(backend: OpenVinoBackend) -> list[Any]:
    """What a run did, pass by pass."""
    compiled = backend._core.compile_model(backend._model, "CPU", {"PERF_COUNT": True})
    openvino_backend._KEPT.append(compiled)
    request = compiled.create_infer_request()
    request.infer([np.array(IDS)])
    done = openvino.ProfilingInfo.Status.EXECUTED
    return [node for node in request.get_profiling_info() if node.status == done]


@pytest.mark.parametrize("variant", ["onnx-int8", "onnx-int4"])
def test_vectors_are_as_close_to_pytorch_as_onnxruntimes(tiny_bundle: Path, variant: str) -> None:
    losses = {}
    for engine in ("onnxruntime", "openvino"):
        with Embedder(tiny_bundle, variant=variant, engine=engine) as embedder:
            losses[engine] = 1 - measure_parity(embedder).mean_cosine
    # bfloat16, where the processor has it, is finer than bytes: an error much smaller than theirs.
    assert losses["openvino"] < 1.5 * losses["onnxruntime"] + 1e-4


@pytest.mark.parametrize("variant", ["onnx-int8", "onnx-int4"])
def test_products_run_in_integers(tiny_bundle: Path, variant: str) -> None:
    """OpenVINO falls back to float without a word where it does not recognise a pattern."""
    kinds = [
        node.exec_type
        for node in profile(open_backend(tiny_bundle, variant))
        if node.node_type == "FullyConnected"
    ]
    scheme = Manifest.read(tiny_bundle).variant(Variant.parse(variant)).scheme
    matrices = {True: 0, False: 0}
    for product in scheme["products"]:
        in_integers = product["kept_as"] != "float32"
        matrices[in_integers] += 3 if product["product"] == "qkv" else 1
        if in_integers and product["outliers"]:
            matrices[True] += 1  # up, cut in two
            matrices[False] += 1
    assert matrices[True] > 4
    assert sum(kind.endswith("_I8") for kind in kinds) == matrices[True]
    assert len(kinds) == matrices[True] + matrices[False]


def test_smoothing_and_rounding_are_one_pass(tiny_bundle: Path) -> None:
    """With two dimensions in place of three every rounding is a pass of its own."""
    passes = [node.node_type for node in profile(open_backend(tiny_bundle, "onnx-int8"))]
    products = Manifest.read(tiny_bundle).variant(Variant.ONNX_INT8).scheme["products"]
    smoothed = sum(product["smoothing"] is not None for product in products)
    assert smoothed > 0
    # Only what comes out of attention has nothing before it that could round it.
    assert passes.count("FakeQuantize") == sum(p["product"] == "output" for p in products)


def test_the_answer_is_the_processors(fresh: None) -> None:
    from ondol.machine import byte_product_instructions

    if byte_product_instructions() is not None:
        assert products_are_exact()


def test_a_processor_that_clips_products_is_refused(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_backend, "products_are_exact", lambda: False)
    with pytest.raises(EngineError, match="no VNNI; use the engine onnxruntime"):
        open_backend(tiny_bundle, "onnx-int8")
    open_backend(tiny_bundle, "onnx-fp32")  # has no such products


def test_the_probe_notices_clipping(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    real = openvino.Core.compile_model

    def clipping(*arguments: object) -> object:
        model = real(*arguments)
        # 64 products in pairs, each pair clipped at 32,767: what a processor without VNNI gives.
        return lambda inputs: [np.minimum(model(inputs)[0], 32 * 32767)]

    monkeypatch.setattr(openvino.Core, "compile_model", clipping)
    assert not products_are_exact()


def test_without_the_package(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'ondol\[openvino\]'"):
        Embedder(tiny_bundle, engine="openvino")


def test_the_engine_must_read_the_format(tiny_bundle: Path) -> None:
    with pytest.raises(InputError, match=r"openvino does not run gguf-f16; llama\.cpp does"):
        Embedder(tiny_bundle, variant="gguf-f16", engine="openvino")
    with pytest.raises(InputError, match="unknown engine 'torch'; expected one of: onnxruntime"):
        Embedder(tiny_bundle, engine="torch")


def test_a_named_engine_chooses_among_its_variants(tiny_bundle: Path) -> None:
    with Embedder(tiny_bundle, engine="openvino") as embedder:
        assert (embedder.variant, embedder.engine) == ("onnx-int8", "openvino")
    with Embedder(tiny_bundle, engine="llama.cpp") as embedder:
        assert (embedder.variant, embedder.engine) == ("gguf-f16", "llama.cpp")
    manifest = Manifest.read(tiny_bundle)
    gguf = replace(manifest, variants=manifest.variants[3:])
    with pytest.raises(VariantError, match="no variant that openvino runs; it has gguf-f32"):
        choose_variant(gguf, Engine.OPENVINO)


def test_a_damaged_file_is_a_bundle_error(tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    content = (tiny_bundle / "onnx" / "model-fp32.onnx").read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=r"cannot load .*model\.onnx"):
        OpenVinoBackend(path, threads=1, max_batch_tokens=512, exact=True)


def test_another_graph_is_a_bundle_error(tmp_path: Path) -> None:
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["a", "b", 4]) for name in "xy"
    ]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    with pytest.raises(BundleError, match="has the operator 'Relu'"):
        OpenVinoBackend(path, threads=1, max_batch_tokens=512, exact=True)


def test_closed_means_closed(tiny_bundle: Path) -> None:
    with Embedder(tiny_bundle, variant="onnx-int8", engine="openvino") as embedder:
        assert embedder.encode(["한국 a"]).shape == (1, 32)
    with pytest.raises(ClosedError):
        embedder._runner.backend.outputs(IDS)


def test_the_second_long_call_alone_gets_all_threads(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lone_calls, "WORTH_ALL_THREADS", 5)
    backend = open_backend(tiny_bundle, "onnx-int8", threads=2)
    first = backend.outputs(IDS[:1], alone=True)[0]
    assert backend._wide is None, "the first is often the only one"
    backend.outputs(IDS[:1])
    backend.outputs([[0, 5, 6, 2]], alone=True)
    assert backend._wide is None, "too short, or not alone"
    second = backend.outputs(IDS[:1], alone=True)[0]
    assert backend._wide is not None
    assert second.tobytes() == first.tobytes()


@pytest.mark.parametrize("outside", [-1, 17, 2**40])
def test_ids_outside_the_table_are_refused(tiny_bundle: Path, outside: int) -> None:
    """OpenVINO would read what lies there; `check="off"` does not matter here."""
    backend = open_backend(tiny_bundle, "onnx-int8", threads=1)
    with pytest.raises(AgreementError, match=r"has rows 0 to 16; tokenizer and model"):
        backend.outputs([[0, outside, 2]])
