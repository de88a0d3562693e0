"""How large the values of an encoder's graph become, found without running it.

A few kilobytes of harmless operators can ask for terabytes: a Concat of a value with itself doubles
it, a Gather repeats rows, a row and a column added make a matrix. Engines compute what depends on
constants alone when they open a file, and end the process where memory is taken from them. So every
shape is computed first, for one text of as many tokens as the file has positions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

#: Values that may be computed from constants alone, for each byte of the file. Weights of 4 bits
#: take 17 until they are a matrix.
_MAX_FOLDED = 24

#: Values that may be kept at a time, for each token: of a layer of 4,096 columns some 30,000, and
#: for each head one of every other token.
_MAX_LIVE = 2**19

#: Attention and the split of 4-bit rows have four axes.
_MAX_RANK = 5

_SAME_SHAPE = {
    "Cast", "DequantizeLinear", "Gelu", "Identity", "LayerNormalization", "QuantizeLinear", "Tanh",
}  # fmt: skip
_ELEMENTWISE = {"Add", "BitShift", "BitwiseAnd", "Mul", "Sub"}


@dataclass(frozen=True)
class Node:
    """An operator of a graph.

    Attributes:
        inputs, output: names of values.
        numbers: its attributes that are whole numbers, those below 0 too.
    """

    operator: str
    inputs: tuple[str, ...]
    output: str
    numbers: Mapping[str, int]


@dataclass(frozen=True)
class Value:
    """What is known of a value.

    Attributes:
        numbers: the elements, of sizes and indices; None of anything longer.
        of_text: whether it depends on the text.
    """

    shape: tuple[int, ...]
    numbers: tuple[int, ...] | None = None
    of_text: bool = False

    @property
    def count(self) -> int:
        """How many elements."""
        return math.prod(self.shape)


def check_sizes(
    nodes: Sequence[Node],
    constants: Mapping[str, Value],
    *,
    text: str,
    vocab_rows: int,
    file_bytes: int,
) -> int:
    """Returns the positions that the file has: the most tokens of a text.

    text: name of the input, token ids of shape (texts, tokens).
    vocab_rows: rows of every table that is indexed by it.

    Raises ValueError for values beyond those bounds, shapes that do not fit, a node that reads what
    no node before it has made, and indices out of range.
    """
    positions = _positions(nodes, constants)
    values = {**constants, text: Value((1, positions), of_text=True)}
    last_use = {name: place for place, node in enumerate(nodes) for name in node.inputs}
    ending: dict[int, list[str]] = {}
    for name, place in last_use.items():
        ending.setdefault(place, []).append(name)
    folded = live = 0
    for place, node in enumerate(nodes):
        if missing := [name for name in node.inputs if name not in values]:
            raise ValueError(f"{node.operator} reads {missing[0]!r:.80}, which is not there yet")
        if node.output in values:
            raise ValueError(f"it has the value {node.output!r:.80} twice")
        inputs = [values[name] for name in node.inputs]
        try:
            if node.operator == "Gather":
                _check_indices(node, inputs, text, vocab_rows)
            made = _made(node, inputs)
        except (IndexError, TypeError, ValueError) as error:
            raise ValueError(
                f"the {node.operator} that makes {node.output!r:.80} does not fit its inputs of "
                f"shapes {[one.shape for one in inputs]!r:.200}: {error}"
            ) from error
        values[node.output] = made
        scratch = _scratch(node, inputs)
        if made.of_text:
            live += made.count
        else:
            folded += made.count
        if live + scratch > _MAX_LIVE * positions or folded > _MAX_FOLDED * file_bytes:
            raise ValueError(
                f"its values grow to {max(live + scratch, folded):,} numbers at {node.output!r:.80}"
            )
        live -= sum(values[name].count for name in ending.get(place, ()) if values[name].of_text)
    return positions


def _positions(nodes: Sequence[Node], constants: Mapping[str, Value]) -> int:
    """Rows of the tables of positions, from which a Slice takes those of the text's tokens."""
    cut = [node.inputs[0] for node in nodes if node.operator == "Slice" and node.inputs]
    rows = {constants[name].shape[:1] if name in constants else () for name in cut}
    if len(rows) != 1 or () in rows or (0,) in rows:
        raise ValueError(f"it has tables of positions with the rows {sorted(rows)!r:.80}")
    ((count,),) = rows
    return count


def _made(node: Node, inputs: Sequence[Value]) -> Value:
    """The node's output. Raises IndexError, TypeError or ValueError where its inputs do not fit."""
    shape, numbers = _shape(node, inputs), None
    if len(shape) > _MAX_RANK or any(size < 0 for size in shape):
        raise ValueError(f"its shape would be {shape!r:.80}")
    if node.operator == "Shape":
        numbers = _part(node, inputs[0])
    elif node.operator == "Concat" and all(one.numbers is not None for one in inputs):
        numbers = tuple(number for one in inputs for number in one.numbers or ())
        if len(numbers) > _MAX_RANK:
            numbers = None
    return Value(shape, numbers, any(one.of_text for one in inputs))


def _shape(node: Node, inputs: Sequence[Value]) -> tuple[int, ...]:
    first, *others = inputs
    match node.operator:
        case "Shape":
            return (len(_part(node, first)),)
        case "Reshape":
            return _reshaped(first, _numbers(others[0]))
        case "Concat":
            axis = _axis(node, first, default=None)
            if any(
                len(one.shape) != len(first.shape)
                or _without(one.shape, axis) != _without(first.shape, axis)
                for one in others
            ):
                raise ValueError("they differ")
            total = sum(one.shape[axis] for one in inputs)
            return (*first.shape[:axis], total, *first.shape[axis + 1 :])
        case "Gather":
            axis = _axis(node, first, default=0)
            return (*first.shape[:axis], *others[0].shape, *first.shape[axis + 1 :])
        case "Slice":
            starts, ends = others
            (start,), (end,) = _numbers(starts), _numbers(ends)
            return (len(range(*slice(start, end).indices(first.shape[0]))), *first.shape[1:])
        case "Gemm":
            if {"transA", "transB"} & node.numbers.keys():
                raise ValueError("it turns them")
            (rows, inner), (columns_inner, columns) = first.shape, others[0].shape
            if inner != columns_inner:
                raise ValueError(f"{inner} columns for {columns_inner} rows")
            if len(others) > 1 and np.broadcast_shapes(others[1].shape, (rows, columns)) != (
                rows,
                columns,
            ):
                raise ValueError("what is added is larger")
            return rows, columns
        case "MultiHeadAttention":
            key, value = others
            if len(first.shape) != 3 or not first.shape == key.shape == value.shape:
                raise ValueError("they differ")
            return first.shape
        case operator if operator in _ELEMENTWISE:
            return tuple(np.broadcast_shapes(*(one.shape for one in inputs)))
        case operator if operator in _SAME_SHAPE:
            return first.shape
        case operator:
            raise ValueError(f"the shape that {operator} makes is not known")


def _part(node: Node, value: Value) -> tuple[int, ...]:
    """What a Shape gives."""
    return value.shape[node.numbers.get("start", 0) : node.numbers.get("end")]


def _reshaped(value: Value, wanted: Sequence[int]) -> tuple[int, ...]:
    """0 keeps an axis, and one -1 takes what is left."""
    shape = [value.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    if -1 in shape:
        place = shape.index(-1)
        known = math.prod(shape[:place] + shape[place + 1 :])
        shape[place] = value.count // known if known > 0 else 0
    if math.prod(shape) != value.count:
        raise ValueError(f"it does not become {tuple(wanted)!r:.80}")
    return tuple(shape)


def _check_indices(node: Node, inputs: Sequence[Value], text: str, vocab_rows: int) -> None:
    """Engines differ in whether they look: OpenVINO reads outside the table."""
    table, indices = inputs
    axis = _axis(node, table, default=0)
    rows = table.shape[axis]
    if node.inputs[1] == text:
        if axis or rows != vocab_rows:
            raise ValueError(f"a table of {rows:,} rows, expected {vocab_rows:,}")
    elif not all(0 <= index < rows for index in _numbers(indices)):
        raise ValueError("an index is out of range")


def _axis(node: Node, value: Value, *, default: int | None) -> int:
    axis = node.numbers.get("axis", default)
    if axis is None or not 0 <= axis < len(value.shape):
        raise ValueError(f"it has the axis {axis}")
    return axis


def _numbers(value: Value) -> tuple[int, ...]:
    if value.numbers is None:
        raise ValueError("sizes and indices are not known before it runs")
    return value.numbers


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def _scratch(node: Node, inputs: Sequence[Value]) -> int:
    """Attention may keep the product of every two tokens for each head."""
    if node.operator != "MultiHeadAttention":
        return 0
    tokens = inputs[0].shape[1]
    return node.numbers.get("num_heads", 1) * tokens * tokens
