"""What a GGUF file states about itself: keys and tensors, every size compared with the file.

gguf-py's GGUFReader makes several numpy arrays for every string of the vocabulary: four seconds for
48,000 pieces. llama.cpp aborts the process on some damaged files. This reads the layout of ggml's
docs/gguf.md, version 3, and refuses what does not add up before any engine sees the file.
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from ondol.errors import BundleError


class ValueType(IntEnum):
    """docs/gguf.md, gguf_metadata_value_type."""

    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12


#: How `struct` names the types of fixed size.
_CODES = {
    ValueType.UINT8: "B",
    ValueType.INT8: "b",
    ValueType.UINT16: "H",
    ValueType.INT16: "h",
    ValueType.UINT32: "I",
    ValueType.INT32: "i",
    ValueType.FLOAT32: "f",
    ValueType.BOOL: "B",
    ValueType.UINT64: "Q",
    ValueType.INT64: "q",
    ValueType.FLOAT64: "d",
}

#: Types of tensors that llama.cpp's quantizer makes of ours: number in the file, name, values and
#: bytes of a block (ggml/include/ggml.h, enum ggml_type; ggml/src/ggml-common.h, block_q4_0 ff.).
_TENSOR_TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
}

#: GGUF_DEFAULT_ALIGNMENT and GGML_MAX_DIMS.
_ALIGNMENT, _MAX_DIMENSIONS = 32, 4

#: No name of ours is as long, and llama.cpp has room for GGML_MAX_NAME.
_MAX_NAME_BYTES = 63


@dataclass(frozen=True)
class Scalar:
    """A value of a key: bool, int, float or str, by its type."""

    type: ValueType
    value: bool | int | float | str


@dataclass(frozen=True)
class Array:
    """An array of a key.

    Attributes:
        type: of the items.
        items: of strings, each as its bytes; empty for other types.
        raw: of other types, their bytes; empty for strings.
        count: of the items.
    """

    type: ValueType
    count: int
    items: tuple[bytes, ...]
    raw: bytes


@dataclass(frozen=True)
class TensorInfo:
    """One tensor.

    Attributes:
        name: as the file has it.
        type: its ggml type, "Q8_0".
        bytes: of its data.
        shape: as ggml counts: the dimension whose values lie side by side first.
    """

    name: str
    type: str
    bytes: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class GgufHeader:
    """Keys with their values, and tensors in the order of the file."""

    keys: Mapping[str, Scalar | Array]
    tensors: tuple[TensorInfo, ...]


def read_header(path: Path) -> GgufHeader:
    """Read a GGUF file's header.

    Raises BundleError if it is no GGUF file of version 3, ends early, has a key or a tensor twice,
    nested arrays, tensors of types that ondol does not write, or tensors that do not fill the file
    one after the other to its end.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return _parse(content)
    except (OSError, ValueError, struct.error) as error:
        raise BundleError(
            f"cannot read {path} as a GGUF file: {error}; copy the bundle again"
        ) from error


def read_tensors(path: Path) -> tuple[TensorInfo, ...]:
    """The tensors of a GGUF file, in its order. Raises BundleError as `read_header` does."""
    return read_header(path).tensors


class _Cursor:
    """Reads little-endian values one after the other. Raises ValueError where the file ends."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self.at = 0

    def take(self, count: int) -> bytes:
        start = self.at
        self.at += count
        if self.at > len(self._content):
            raise ValueError(f"it ends at byte {len(self._content):,}, inside its header")
        return self._content[start : self.at]

    def unsigned(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def string(self) -> bytes:
        return self.take(self.unsigned(8))

    def name(self, what: str) -> str:
        raw = self.string()
        if len(raw) > _MAX_NAME_BYTES:
            raise ValueError(f"the name of a {what} has {len(raw):,} bytes")
        return raw.decode("utf-8")

    def value(self, kind: ValueType) -> Scalar | Array:
        if kind is ValueType.ARRAY:
            return self._array()
        if kind is ValueType.STRING:
            return Scalar(kind, self.string().decode("utf-8"))
        code = _CODES[kind]
        (value,) = struct.unpack(f"<{code}", self.take(struct.calcsize(code)))
        if kind is ValueType.BOOL:
            if value > 1:
                raise ValueError(f"a bool is {value}")
            value = bool(value)
        return Scalar(kind, value)

    def _array(self) -> Array:
        kind, count = ValueType(self.unsigned(4)), self.unsigned(8)
        if kind is ValueType.ARRAY:
            raise ValueError("an array holds arrays")
        if kind is ValueType.STRING:
            return Array(kind, count, self._strings(count), b"")
        return Array(kind, count, (), self.take(count * struct.calcsize(_CODES[kind])))

    def _strings(self, count: int) -> tuple[bytes, ...]:
        # A loop of its own: a vocabulary has up to 250,000 of them.
        content, at, end = self._content, self.at, len(self._content)
        unpack = struct.Struct("<Q").unpack_from
        if count > (end - at) // 8:
            raise ValueError(f"an array of {count:,} strings does not fit the file")
        found = []
        for _ in range(count):
            (length,) = unpack(content, at)
            start = at + 8
            at = start + length
            if at > end:
                raise ValueError(f"it ends at byte {end:,}, inside its header")
            found.append(content[start:at])
        self.at = at
        return tuple(found)


def _parse(content: mmap.mmap) -> GgufHeader:
    """Raises ValueError or struct.error for what is no GGUF header."""
    if content[:4] != b"GGUF":
        raise ValueError("it does not begin with GGUF")
    cursor = _Cursor(content)
    cursor.take(4)
    version = cursor.unsigned(4)
    if version != 3:
        raise ValueError(f"it is of version {version}, expected 3")
    tensor_count, key_count = cursor.unsigned(8), cursor.unsigned(8)
    keys: dict[str, Scalar | Array] = {}
    for _ in range(key_count):
        name = cursor.name("key")
        if name in keys:
            raise ValueError(f"it has the key {name!r} twice")
        if name == "general.alignment":
            raise ValueError("it has an alignment of its own")
        keys[name] = cursor.value(ValueType(cursor.unsigned(4)))
    tensors: dict[str, TensorInfo] = {}
    expected_offset = 0
    for _ in range(tensor_count):
        tensor, offset = _tensor(cursor)
        if tensor.name in tensors:
            raise ValueError(f"it has the tensor {tensor.name!r} twice")
        if offset != expected_offset:
            raise ValueError(
                f"the data of {tensor.name!r} begin at {offset:,}, expected {expected_offset:,}"
            )
        tensors[tensor.name] = tensor
        expected_offset += _aligned(tensor.bytes)
    size = _aligned(cursor.at) + expected_offset
    if len(content) != size:
        raise ValueError(f"it has {len(content):,} bytes, its tensors end at {size:,}")
    return GgufHeader(keys, tuple(tensors.values()))


def _tensor(cursor: _Cursor) -> tuple[TensorInfo, int]:
    """A tensor, and where its data are said to begin."""
    name = cursor.name("tensor")
    dimensions = cursor.unsigned(4)
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise ValueError(f"{name!r} has {dimensions:,} dimensions")
    shape = tuple(cursor.unsigned(8) for _ in range(dimensions))
    kind = cursor.unsigned(4)
    offset = cursor.unsigned(8)
    if kind not in _TENSOR_TYPES:
        raise ValueError(f"{name!r} is of the unknown type {kind}")
    type_name, block_values, block_bytes = _TENSOR_TYPES[kind]
    values = 1
    for length in shape:
        values *= length
    if not values or shape[0] % block_values:
        raise ValueError(f"{name!r} has the shape {shape}, which {type_name} cannot store")
    return TensorInfo(name, type_name, values // block_values * block_bytes, shape), offset


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
