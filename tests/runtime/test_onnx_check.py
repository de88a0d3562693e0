"""Graphs that reach out of their file, or are none of ours, are refused before an engine opens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from ondol.errors import BundleError
from ondol.runtime.onnx_check import check_onnx


def outside(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../outside")


def custom(model: Any) -> None:
    model.graph.node[0].domain = "evil"


def bomb(model: Any) -> None:
    model.graph.initializer[0].dims[0] = 2**40


def no_heads(model: Any) -> None:
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "num_heads":
                attribute.i = 0


def approximate(model: Any) -> None:
    gelu = next(node for node in model.graph.node if node.op_type == "Gelu")
    gelu.attribute.append(onnx.helper.make_attribute("approximate", "tanh"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (outside, "lies in another file"),
        (custom, "of 'evil'"),
        (bomb, "expected"),
        (no_heads, "0 heads"),
        (approximate, "approximated by 'tanh', expected erf"),
        (lambda model: model.functions.add(), "functions"),
        (lambda model: model.graph.output.add(), "its output"),
    ],
)
def test_what_is_refused(
    tiny_bundle: Path, tmp_path: Path, change: Callable[[Any], None], message: str
) -> None:
    model = onnx.load(tiny_bundle / "onnx/model-fp32.onnx")
    change(model)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match=message):
        check_onnx(tmp_path / "model.onnx")


@pytest.mark.parametrize("text", [b"RIGHT", b"encoder", b"batch"])
def test_text_that_is_none_is_refused(tiny_bundle: Path, tmp_path: Path, text: bytes) -> None:
    """onnxruntime's Python wrote to standard output where its message held such bytes."""
    content = (tiny_bundle / "onnx/model-int4.onnx").read_bytes()
    assert text in content
    (tmp_path / "model.onnx").write_bytes(content.replace(text, b"\xff" * len(text)))
    with pytest.raises(BundleError, match="can't decode byte 0xff"):
        check_onnx(tmp_path / "model.onnx")


@pytest.mark.parametrize("precision", ["int8", "int4"])
@pytest.mark.parametrize("kind", ["values", "bias_values"])
def test_scales_along_another_axis_are_refused(
    tiny_bundle: Path, tmp_path: Path, precision: str, kind: str
) -> None:
    """OpenVINO 2026.4 ended the process with SIGFPE."""
    model = onnx.load(tiny_bundle / f"onnx/model-{precision}.onnx")
    assert check_onnx(tiny_bundle / f"onnx/model-{precision}.onnx").columns == 32
    scaled = [
        node
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0].endswith(f".{kind}")
    ]
    (axis,) = (attribute for attribute in scaled[-1].attribute if attribute.name == "axis")
    axis.i = 1 - axis.i
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="do not lie along the axis"):
        check_onnx(tmp_path / "model.onnx")
