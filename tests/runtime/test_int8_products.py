"""Where products of bytes are clipped, the weights are stored unsigned, and only there."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from ondol.runtime import int8_products
from ondol.runtime.embedder import Embedder
from ondol.runtime.int8_products import make_products_exact, products_are_exact

KEY = "session.x64quantprecision"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    products_are_exact.cache_clear()
    yield
    products_are_exact.cache_clear()


def test_the_model_is_one_product() -> None:
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["y"])],
        "u8s8",
        [
            helper.make_tensor_value_info("a", TensorProto.UINT8, ["m", "k"]),
            helper.make_tensor_value_info("b", TensorProto.INT8, ["k", "n"]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.INT32, ["m", "n"])],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 10)],
        ir_version=5,
        producer_name="ondol",
    )
    onnx.checker.check_model(model)
    assert onnx.load_from_string(int8_products._PRODUCT) == model


@pytest.mark.parametrize("clipped", [False, True])
def test_the_option_is_set_where_products_are_clipped(
    monkeypatch: pytest.MonkeyPatch, clipped: bool
) -> None:
    # 64 products in pairs, each pair clipped at 32,767: what a processor without VNNI gives.
    value = 32 * 32767 if clipped else 64 * 255 * 127

    class Session:
        def __init__(self, *args: object, **options: object) -> None: ...

        def run(self, *args: object) -> list[np.ndarray]:
            return [np.full((4, 16), value, np.int32)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    options = onnxruntime.SessionOptions()
    make_products_exact(options)
    if clipped:
        assert options.get_session_config_entry(KEY) == "1"
    else:
        with pytest.raises(RuntimeError):
            options.get_session_config_entry(KEY)


def test_the_answer_is_the_processors() -> None:
    """On a machine that has the instructions, the product must be exact; elsewhere either way."""
    from ondol.machine import byte_product_instructions

    if byte_product_instructions() is not None:
        assert products_are_exact()


@pytest.mark.parametrize("variant", ["onnx-fp32", "onnx-int8", "onnx-int4"])
def test_unsigned_weights_give_the_same_bits(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    """The way of a processor without VNNI; one with it takes the option as well."""
    texts = ["한국 a", "", "ab 한국 한국 a b", "어 한"]
    with Embedder(tiny_bundle, variant=variant) as model:
        expected = model.encode(texts)
    monkeypatch.setattr(int8_products, "products_are_exact", lambda: False)
    with Embedder(tiny_bundle, variant=variant) as model:
        assert model.encode(texts).tobytes() == expected.tobytes()
