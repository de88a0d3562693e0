"""A walk over a protobuf message, field by field, that copies nothing.

The package onnx is not needed to run a model, and its parser reads all weights before one can look.
The encoding is protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from typing import NamedTuple

#: Wire types; 3 and 4, the groups, are no part of proto3.
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

#: protobuf.dev, "Field Numbers".
_MAX_FIELD = 2**29 - 1


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: which one.
        content: of strings, bytes and messages a view of their bytes; of varints the number,
            unsigned; of fixed ones their bits.
    """

    number: int
    content: int | memoryview

    @property
    def bytes(self) -> memoryview:
        """Raises ValueError if the field is a number."""
        if isinstance(self.content, int):
            raise ValueError(f"field {self.number} is a number, expected bytes")
        return self.content

    @property
    def integer(self) -> int:
        """Raises ValueError if the field is bytes."""
        if not isinstance(self.content, int):
            raise ValueError(f"field {self.number} is bytes, expected a number")
        return self.content

    @property
    def text(self) -> str:
        """Raises ValueError if the field is no UTF-8."""
        return str(self.bytes, "utf-8")


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message in their order. Raises ValueError where it is damaged."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if not 1 <= number <= _MAX_FIELD:
            raise ValueError(f"it has the field number {number}")
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield Field(number, value)
        elif wire == _LENGTH:
            length, at = _varint(message, at)
            yield Field(number, _cut(message, at, length))
            at += length
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
            yield Field(number, int.from_bytes(_cut(message, at, size), "little"))
            at += size
        else:
            raise ValueError(f"field {number} is of the wire type {wire}")


def packed(field: Field) -> list[int]:
    """The numbers of a repeated varint field, of which an encoder may pack many into one field."""
    if isinstance(field.content, int):
        return [field.content]
    found = []
    at = 0
    while at < len(field.content):
        value, at = _varint(field.content, at)
        found.append(value)
    return found


def signed(number: int) -> int:
    """A varint as the int64 that it stands for: negative ones are two's complement."""
    return number - 2**64 if number >= 2**63 else number


def _cut(message: memoryview, at: int, length: int) -> memoryview:
    if length > len(message) - at:
        raise ValueError(f"a field has {length:,} bytes where {len(message) - at:,} are left")
    return message[at : at + length]


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of at most 64 bits, and where the next byte stands."""
    if at < len(message) and (value := message[at]) < 0x80:
        return value, at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("it ends inside a number")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, at
    raise ValueError("a number has more than 64 bits")
