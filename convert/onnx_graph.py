"""Putting an ONNX graph together: nodes in order, constants by name, one file at the end.

Constants go from their arrays into the file, one after the other. The package onnx would hold them
three times over: in their tensors, in the graph and in the bytes of the file, which for the largest
models is gigabytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ondol.errors import ConversionError, MissingDependencyError

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
#: Numbers of the fields that hold the constants (onnx.proto), and the wire type of what has a
#: length (protobuf.dev, "Encoding").
_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW_DATA = 7, 5, 9
_LENGTH_DELIMITED = 2


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
        self._constants: dict[str, NDArray[Any]] = {}
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
            array = np.asarray(value)
            self._constants[name] = array.astype(array.dtype.newbyteorder("<"), copy=False)
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
        """Write the graph with `metadata` as its properties.

        The bytes are those that the package onnx would write: fields in the order of their numbers.
        Raises ConversionError for more than MAX_FILE_BYTES; nothing is written then.
        """
        onnx, helper = self._onnx, self._onnx.helper
        nodes = onnx.GraphProto(node=self._nodes, name=self._name).SerializeToString()
        ends = onnx.GraphProto(input=self._inputs, output=self._outputs).SerializeToString()
        heads = [self._head(name, array) for name, array in self._constants.items()]
        tensors = zip(heads, self._constants.values(), strict=True)
        constants = sum(len(head) + array.nbytes for head, array in tensors)
        size = len(nodes) + constants + len(ends)
        begin = onnx.ModelProto(ir_version=_IR_VERSION, producer_name="ondol").SerializeToString()
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        finish = onnx.ModelProto(opset_import=opsets)
        for key, text in metadata.items():
            finish.metadata_props.add(key=key, value=text)
        before = begin + _begin_field(_MODEL_GRAPH, size) + nodes
        after = ends + finish.SerializeToString()
        if (whole := len(before) + constants + len(after)) > MAX_FILE_BYTES:
            raise ConversionError(
                f"the graph would have {whole:,} bytes; an ONNX file holds at most "
                f"{MAX_FILE_BYTES:,}. Keep fewer rows with --vocab-size, or choose a smaller "
                "variant with --variants"
            )
        with path.open("wb") as file:
            file.write(before)
            for head, array in zip(heads, self._constants.values(), strict=True):
                file.write(head)
                file.write(np.ascontiguousarray(array).data)
            file.write(after)

    def _head(self, name: str, array: NDArray[Any]) -> bytes:
        """What comes before the numbers of a constant: of its field, and of the tensor in it."""
        element = self._onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = self._onnx.TensorProto(dims=array.shape, data_type=element, name=name)
        described: bytes = tensor.SerializeToString()
        inner = described + _begin_field(_TENSOR_RAW_DATA, array.nbytes)
        return _begin_field(_GRAPH_INITIALIZER, len(inner) + array.nbytes) + inner

    def _value(
        self, name: str, dtype: type[np.generic], shape: Sequence[str | int]
    ) -> "onnx.ValueInfoProto":
        element = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, element, list(shape))


def _begin_field(number: int, size: int) -> bytes:
    """Tag and length of a field of `size` bytes."""
    return bytes([*_varint(number << 3 | _LENGTH_DELIMITED), *_varint(size)])


def _varint(value: int) -> Iterator[int]:
    """Seven bits a byte, the lowest first; all but the last have the highest bit set."""
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
