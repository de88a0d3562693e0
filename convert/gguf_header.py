"""The tensors that a GGUF file states, without its data and without its vocabulary.

gguf-py's GGUFReader makes several numpy arrays for every string of the vocabulary: four seconds for
48,000 pieces, for a list of a hundred tensors. This reads past the metadata instead. The layout is
that of ggml's docs/gguf.md, version 3.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from ondol.errors import ConversionError, MissingDependencyError

#: Size of a metadata value by its type (docs/gguf.md, gguf_metadata_value_type); 8 is a string and
#: 9 an array, whose sizes stand in the file.
_VALUE_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class TensorInfo:
    """One tensor: its name, its ggml type ("Q8_0") and the bytes of its data."""

    name: str
    type: str
    bytes: int


class _Cursor:
    """Reads little-endian values one after the other."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from(f"<{code}", self._content, self._at)
        self._at += struct.calcsize(code)
        return int(value)

    def text(self) -> str:
        length = self.number("Q")
        raw = self._content[self._at : self._at + length]
        self.skip(length)
        return raw.decode("utf-8")

    def skip(self, count: int) -> None:
        self._at += count
        if self._at > len(self._content):
            raise ValueError("the file ends inside its metadata")

    def skip_value(self, kind: int) -> None:
        if kind == _STRING:
            self.skip(self.number("Q"))
        elif kind == _ARRAY:
            item, count = self.number("I"), self.number("Q")
            if item in _VALUE_SIZES:
                self.skip(count * _VALUE_SIZES[item])
            else:
                for _ in range(count):
                    self.skip_value(item)
        elif kind in _VALUE_SIZES:
            self.skip(_VALUE_SIZES[kind])
        else:
            raise ValueError(f"unknown metadata type {kind}")


def read_tensors(path: Path) -> list[TensorInfo]:
    """The tensors of a GGUF file, in its order.

    Raises ConversionError if it is no GGUF file of version 3, MissingDependencyError without gguf.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return _parse(content)
    except ImportError as error:
        raise MissingDependencyError("Reading GGUF files", "gguf", "convert") from error
    except (OSError, ValueError, struct.error) as error:
        raise ConversionError(f"cannot read {path} as a GGUF file: {error}") from error


def _parse(content: mmap.mmap) -> list[TensorInfo]:
    """Raises ValueError or struct.error for what is no GGUF header."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if content[:4] != b"GGUF":
        raise ValueError("it does not begin with GGUF")
    cursor = _Cursor(content)
    cursor.skip(4)
    version = cursor.number("I")
    if version != 3:
        raise ValueError(f"it is of version {version}, expected 3")
    tensors, pairs = cursor.number("Q"), cursor.number("Q")
    for _ in range(pairs):
        cursor.skip_value(_STRING)
        cursor.skip_value(cursor.number("I"))
    found = []
    for _ in range(tensors):
        name = cursor.text()
        values = 1
        for _ in range(cursor.number("I")):
            values *= cursor.number("Q")
        kind = GGMLQuantizationType(cursor.number("I"))
        cursor.skip(8)  # offset of the data
        block_values, block_bytes = GGML_QUANT_SIZES[kind]
        found.append(TensorInfo(name, str(kind.name), values // block_values * block_bytes))
    return found
