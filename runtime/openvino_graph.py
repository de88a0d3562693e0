"""An encoder of ours as OpenVINO runs it best.

onnxruntime needs (texts x tokens, channels) in front of a product and MultiHeadAttention, which
ONNX does not have. OpenVINO multiplies three dimensions as they are, and has an attention of its
own; and it rounds a product's input to bytes in the pass that smooths it only if the channels are
the third dimension: with two it makes a pass of its own, at 256 tokens a fifth of the time.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ondol.errors import BundleError

if TYPE_CHECKING:
    import openvino


def read_encoder(core: "openvino.Core", path: Path) -> "openvino.Model":
    """The graph of an ONNX file that `ondol build` wrote.

    Raises BundleError if OpenVINO does not read it.
    """
    from openvino.frontend.onnx import ConversionExtension

    core.add_extension(ConversionExtension("MultiHeadAttention", "com.microsoft", _attention))
    try:
        model = core.read_model(path)
        _keep_three_dimensions(model)
    except RuntimeError as error:  # what OpenVINO's own exceptions become
        raise BundleError(f"openvino cannot load {path}: {error}") from error
    return model


def vocab_rows(model: "openvino.Model") -> int | None:
    """Rows of the table from which the graph's input picks; None if there is no such table."""
    for reader in model.input(0).get_target_inputs():
        node = reader.get_node()
        if node.get_type_name() == "Gather":
            return int(node.input_value(0).get_shape()[0])
    return None


def _attention(node: Any) -> list["openvino.Output"]:
    """Softmax of scaled products of queries and keys, times values (arXiv 1706.03762)."""
    from openvino import opset13

    heads = node.get_attribute("num_heads")
    swapped = opset13.constant(np.array([0, 2, 1, 3]))
    split = opset13.constant(np.array([0, 0, heads, -1]))
    joined = opset13.constant(np.array([0, 0, -1]))
    by_head = [
        opset13.transpose(
            opset13.reshape(node.get_input(number), split, special_zero=True), swapped
        )
        for number in range(3)
    ]  # (batch, heads, tokens, channels of a head)
    mixed = opset13.scaled_dot_product_attention(*by_head, causal=False)
    merged = opset13.reshape(opset13.transpose(mixed, swapped), joined, special_zero=True)
    outputs: list[openvino.Output] = merged.outputs()
    return outputs


def _keep_three_dimensions(model: "openvino.Model") -> None:
    """Take out every Reshape between (batch, tokens, channels) and (batch x tokens, channels)."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Reshape":
            continue
        before, after = node.input_value(0).get_partial_shape(), node.get_output_partial_shape(0)
        of_states = before[0].is_dynamic and before[-1] == after[-1]
        ranks = sorted(shape.rank.get_length() for shape in (before, after))
        if of_states and ranks == [2, 3]:
            for reader in node.output(0).get_target_inputs():
                reader.replace_source_output(node.input_value(0))
    model.validate_nodes_and_infer_types()
