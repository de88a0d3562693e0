"""Is this ONNX file an encoder as `ondol build` writes it?

An ONNX file can name other files for its weights, nest graphs and functions, and hold operators
that make gigabytes of nothing; onnxruntime follows all of it. This walks the file without an engine
and refuses what no graph of ours has. Numbers of fields are those of onnx/onnx.proto.
"""

import math
import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ondol.errors import BundleError
from ondol.runtime.onnx_sizes import Node, Value, check_sizes
from ondol.runtime.protobuf import Field, fields, packed, signed

#: Under this key of the ONNX file's own metadata the converter notes the rows that it wrote.
VOCAB_ROWS_KEY = "ondol.vocab_rows"

#: Operators of the graphs that ondol has written, by domain. None of them contains a graph; how
#: large they make their outputs is looked at by `ondol.runtime.onnx_sizes`.
_OPERATORS = {
    "": {
        "Add", "BitShift", "BitwiseAnd", "Cast", "Concat", "DequantizeLinear", "Gather", "Gelu",
        "Gemm", "Identity", "LayerNormalization", "Mul", "QuantizeLinear", "Reshape", "Shape",
        "Slice", "Sub", "Tanh",
    },
    "com.microsoft": {"MultiHeadAttention"},
}  # fmt: skip

#: TensorProto.DataType of the constants in such graphs, and bytes of a value.
_FLOAT, _INT64 = 1, 7
_ELEMENT_BYTES = {_FLOAT: 4, 2: 1, 3: 1, 6: 4, _INT64: 8}  # float, uint8, int8, int32, int64

#: AttributeProto.AttributeType: FLOAT, INT, STRING. Others hold tensors and graphs.
_PLAIN_ATTRIBUTES = {1, 2, 3}

#: Name of the one input.
_INPUT = "input_ids"

_MAX_RANK = 4
_MAX_HEADS = 1024
#: A vocabulary has at most 250,037 rows so far.
_MAX_DIGITS = 9


@dataclass(frozen=True)
class OnnxEncoder:
    """What a file states.

    Attributes:
        columns: of its one output.
        vocab_rows: as the converter noted it, and as its tables have them.
        positions: the most tokens of a text.
    """

    columns: int
    vocab_rows: int
    positions: int


def check_onnx(path: Path) -> OnnxEncoder:
    """Refuse a file that an engine could not read without harm.

    Raises BundleError, with the node, constant or field, for anything that `ondol build` does not
    write: external data, sparse constants, functions, nested graphs, other operators, constants
    whose shape is not that of their bytes, other inputs than token ids, more than one output,
    values that grow beyond any encoder's.
    """
    try:
        with path.open("rb") as file:
            # Closed with the last view of it: closing it here would fail while an error's
            # traceback holds one.
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return _model(memoryview(content))
    except (OSError, ValueError) as error:
        raise BundleError(
            f"cannot load {path}: {error}; expected an ONNX file as `ondol build` writes it"
        ) from error


def _model(message: memoryview) -> OnnxEncoder:
    """ModelProto."""
    graphs, metadata = [], {}
    for field in fields(message):
        match field.number:
            case 7:
                graphs.append(field.bytes)
            case 8:
                _operator_set(field.bytes)
            case 14:
                key, value = _texts(field.bytes, 1, 2)
                metadata[key] = value
            case 1 | 5:  # versions
                pass
            case 2 | 3 | 4 | 6:  # who made it; see _node for why it has to be text
                _ = field.text
            case _:
                raise ValueError(f"the model has the field {field.number}: functions or training")
    if len(graphs) != 1:
        raise ValueError(f"it has {len(graphs)} graphs, expected one")
    graph = _graph(graphs[0])
    vocab_rows = _vocab_rows(metadata)
    positions = check_sizes(
        graph.nodes,
        graph.constants,
        text=_INPUT,
        vocab_rows=vocab_rows,
        file_bytes=len(message),
    )
    return OnnxEncoder(graph.columns, vocab_rows, positions)


def _vocab_rows(metadata: Mapping[str, str]) -> int:
    stated = metadata.get(VOCAB_ROWS_KEY, "")
    if not (stated.isascii() and stated.isdigit() and len(stated) <= _MAX_DIGITS):
        raise ValueError(f"it does not state its vocabulary rows ({VOCAB_ROWS_KEY})")
    return int(stated)


def _operator_set(message: memoryview) -> None:
    """OperatorSetIdProto."""
    (domain,) = _texts(message, 1)
    if domain not in _OPERATORS:
        raise ValueError(f"it uses operators of {domain!r:.80}")


@dataclass(frozen=True)
class _Graph:
    """columns: of its output."""

    nodes: Sequence[Node]
    constants: Mapping[str, Value]
    columns: int


def _graph(message: memoryview) -> _Graph:
    """GraphProto."""
    inputs: list[str] = []
    columns: list[int] = []
    constants: dict[str, Value] = {}
    nodes: list[Node] = []
    for field in fields(message):
        match field.number:
            case 1:
                nodes.append(_node(field.bytes))
            case 5:
                name, constant = _constant(field.bytes)
                if name in constants:
                    raise ValueError(f"it has the constant {name!r:.80} twice")
                constants[name] = constant
            case 11:
                inputs.append(_input(field.bytes))
            case 12:
                columns.append(_output(field.bytes))
            case 2 | 10:  # its name and a text
                _ = field.text
            case _:
                raise ValueError(f"the graph has the field {field.number}, which none of ours has")
    if inputs != [_INPUT] or len(columns) != 1:
        raise ValueError(
            f"it has the inputs {inputs!r:.200} and {len(columns)} outputs, expected input_ids and "
            "one output"
        )
    for node in nodes:
        if node.operator == "DequantizeLinear":
            _check_axis(node, constants)
    return _Graph(nodes, constants, columns[0])


def _check_axis(node: Node, constants: Mapping[str, Value]) -> None:
    """Scales lie along the last axis, one for each place; OpenVINO ends the process otherwise."""
    if len(node.inputs) < 2:
        raise ValueError(f"a DequantizeLinear has {len(node.inputs)} inputs")
    scales = constants[node.inputs[1]].shape if node.inputs[1] in constants else ()
    if not scales:  # one scale for all
        return
    axis = node.numbers.get("axis", 1)
    # Values that are computed are 4-bit weights, (inputs, outputs), with a scale per output.
    values = constants.get(node.inputs[0])
    fits = (
        axis == 1
        if values is None
        else axis == len(values.shape) - 1 and scales == values.shape[-1:]
    )
    if not fits:
        raise ValueError(
            f"the scales {node.inputs[1]!r:.80} of shape {list(scales)} do not lie along the axis "
            f"{axis} of {node.inputs[0]!r:.80}"
        )


def _node(message: memoryview) -> Node:
    """NodeProto."""
    operator = domain = ""
    inputs: list[str] = []
    outputs: list[str] = []
    numbers: dict[str, int] = {}
    for field in fields(message):
        match field.number:
            case 1:
                inputs.append(field.text)
            case 4:
                operator = field.text
            case 7:
                domain = field.text
            case 5:
                name, value = _attribute(field.bytes)
                if value is not None:
                    numbers[name] = value
            case 2:
                outputs.append(field.text)
            case 3 | 6:
                # Its name and a text. Where bytes that are no text get into one of its messages,
                # onnxruntime's Python writes to standard output.
                _ = field.text
            case _:
                raise ValueError(f"a node has the field {field.number}")
    if operator not in _OPERATORS.get(domain, ()):
        raise ValueError(f"it has the operator {operator!r:.80} of {domain or 'ai.onnx'!r:.80}")
    if not inputs or len(outputs) != 1:
        raise ValueError(f"{operator} has {len(inputs)} inputs and {len(outputs)} outputs")
    return Node(operator, tuple(inputs), outputs[0], numbers)


def _attribute(message: memoryview) -> tuple[str, int | None]:
    """AttributeProto. Returns its name, and its value if that is a whole number."""
    (name,) = _texts(message, 1)
    value = None
    for field in fields(message):
        if field.number == 3:
            value = signed(field.integer)
        # Queries are split into so many parts.
        if field.number == 3 and name == "num_heads" and not 1 <= field.integer <= _MAX_HEADS:
            raise ValueError(f"its attention has {field.integer:,} heads")
        # tanh for erf moves a vector by less than int8 does: no self-test could tell.
        if field.number == 4 and name == "approximate" and field.text != "none":
            raise ValueError(f"its Gelu is approximated by {field.text!r:.80}, expected erf")
        if field.number in (4, 13):
            _ = field.text
        if field.number == 20 and field.integer not in _PLAIN_ATTRIBUTES:
            raise ValueError(f"an attribute is of the type {field.integer}")
        if field.number not in (1, 2, 3, 4, 13, 20):  # name, values, a text, its type
            raise ValueError(f"an attribute has the field {field.number}: a tensor or a graph")
    return name, value


def _constant(message: memoryview) -> tuple[str, Value]:
    """TensorProto. Returns its name and what it is."""
    name, kind, shape = "", 0, []
    held = memoryview(b"")
    for field in fields(message):
        match field.number:
            case 1:
                shape += packed(field)
            case 2:
                kind = field.integer
            case 8:
                name = field.text
            case 9:
                held = field.bytes
            case 13 | 14:
                raise ValueError(f"the constant {name!r:.80} lies in another file")
            case _:
                raise ValueError(f"the constant {name!r:.80} has the field {field.number}")
    if kind not in _ELEMENT_BYTES or len(shape) > _MAX_RANK:
        raise ValueError(f"the constant {name!r:.80} is of type {kind} with {len(shape)} axes")
    size = math.prod(shape) * _ELEMENT_BYTES[kind]
    if size != len(held):
        raise ValueError(
            f"the constant {name!r:.80} of shape {shape} has {len(held):,} bytes, expected {size:,}"
        )
    of_sizes = kind == _INT64 and size <= _MAX_RANK * _ELEMENT_BYTES[_INT64]
    numbers = struct.unpack(f"<{size // 8}q", held) if of_sizes else None
    return name, Value(tuple(shape), numbers)


def _input(message: memoryview) -> str:
    """ValueInfoProto."""
    name, kind, shape = _value(message)
    if kind != _INT64 or len(shape) != 2:
        raise ValueError(f"its input {name!r:.80} is of type {kind} with {len(shape)} axes")
    return name


def _output(message: memoryview) -> int:
    """ValueInfoProto. Returns the columns."""
    name, kind, shape = _value(message)
    columns = shape[-1] if shape else None
    if kind != _FLOAT or not 2 <= len(shape) <= 3 or not columns:
        raise ValueError(
            f"its output {name!r:.80} is of type {kind} and shape {shape}, expected float32 with "
            "a fixed number of columns"
        )
    return columns


def _value(message: memoryview) -> tuple[str, int, list[int | None]]:
    """ValueInfoProto: name, element type, and shape with None for a free axis."""
    (name,) = _texts(message, 1)
    kind, shape = 0, []
    for type_proto in _inside(message, 2):
        for tensor in _inside(type_proto, 1):
            kind = next((field.integer for field in fields(tensor) if field.number == 1), 0)
            for shape_proto in _inside(tensor, 2):
                for dimension in _inside(shape_proto, 1):
                    _ = _texts(dimension, 2)  # its name
                    sizes = [field.integer for field in fields(dimension) if field.number == 1]
                    shape.append(sizes[-1] if sizes else None)
    return name, kind, shape


def _inside(message: memoryview, number: int) -> list[memoryview]:
    return [field.bytes for field in fields(message) if field.number == number]


def _texts(message: memoryview, *numbers: int) -> list[str]:
    """The texts of these fields; of one that stands there twice the last, as protobuf has it."""
    found: dict[int, Field] = {field.number: field for field in fields(message)}
    return [found[number].text if number in found else "" for number in numbers]
