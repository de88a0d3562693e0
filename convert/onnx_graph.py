"""Putting an ONNX graph together: nodes in order, constants by name, one file at the end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ondol.errors import MissingDependencyError

if TYPE_CHECKING:
    import onnx

#: The newest opset that onnxruntime 1.20, the oldest one supported, runs; 20 brought Gelu.
OPSET = 20
#: onnxruntime's own operators.
CONTRIB = "com.microsoft"
#: A serialized protobuf message has less than 2 GiB (protobuf.dev, "Proto Limits").
MAX_FILE_BYTES = 2**31 - 1
#: The ONNX format that came with opset 20.
_IR_VERSION = 9


class OnnxGraph:
    """Nodes and constants of one graph. Every method that adds one returns the name of its value.

    Raises MissingDependencyError without the package onnx.
    """

    def __init__(self, name: str) -> None:
        try:
            import onnx
        except ImportError as error:
            raise MissingDependencyError("writing ONNX files", "onnx", "convert") from error
        self._onnx = onnx
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: type[np.generic], shape: Sequence[str | int]) -> str:
        """Declare an input; a str in `shape` names a free dimension."""
        self._inputs.append(self._value(name, dtype, shape))
        return name

    def output(self, name: str, dtype: type[np.generic], shape: Sequence[str | int]) -> None:
        """Declare a value as an output."""
        self._outputs.append(self._value(name, dtype, shape))

    def constant(self, name: str, value: ArrayLike) -> str:
        """A constant with the dtype of `value`. The same name again means the same constant."""
        if name not in self._constants:
            array = np.ascontiguousarray(value)
            array = array.reshape(np.shape(value))  # ascontiguousarray makes vectors of scalars
            self._constants[name] = self._onnx.numpy_helper.from_array(array, name)
        return name

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """A node with one output, called `name`."""
        return self.add_many(operator, inputs, [name], **attributes)[0]

    def add_many(
        self, operator: str, inputs: Sequence[str], names: Sequence[str], **attributes: Any
    ) -> list[str]:
        """A node with an output for each of `names`."""
        node = self._onnx.helper.make_node(
            operator, list(inputs), list(names), name=names[0], **attributes
        )
        self._nodes.append(node)
        return list(names)

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the graph with `metadata` as its properties."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes,
            self._name,
            self._inputs,
            self._outputs,
            initializer=list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)],
            ir_version=_IR_VERSION,
            producer_name="ondol",
        )
        for key, text in metadata.items():
            model.metadata_props.add(key=key, value=text)
        self._onnx.save(model, path)

    def _value(
        self, name: str, dtype: type[np.generic], shape: Sequence[str | int]
    ) -> "onnx.ValueInfoProto":
        element = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, element, list(shape))
