"""A .npy file of float32, read only if it holds what was expected."""

import math
import tokenize
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


def read_float32(path: Path, *, rows: int | None, columns: tuple[int, ...]) -> NDArray[np.float32]:
    """The array of a .npy file, (rows, *columns) float32 in C order.

    The header is compared with the file's size before memory is taken for what it promises, and
    nothing in the file is ever unpickled.

    rows: None takes any number from 1.

    Raises OSError if the file cannot be read, ValueError with what is wrong with it.
    """
    with path.open("rb") as file:
        try:
            version = npy.read_magic(file)
            if version != (1, 0):
                raise ValueError(f"it is of version {version}, expected 1.0")
            shape, by_column, dtype = npy.read_array_header_1_0(file)
        except (SyntaxError, tokenize.TokenError, RecursionError, MemoryError, TypeError) as error:
            # What numpy's parser of the header lets through.
            raise ValueError(f"its header is damaged: {error}") from error
        right = shape[1:] == columns and (shape[:1] == (rows,) if rows else shape[:1] > (0,))
        if not right or dtype != np.float32 or (by_column and columns):
            wanted = ", ".join(map(str, ("any number of rows" if rows is None else rows, *columns)))
            raise ValueError(
                f"it holds {dtype} of shape {shape}{' by column' if by_column else ''}; expected "
                f"float32 of shape ({wanted})"
            )
        count = math.prod(shape)
        held = path.stat().st_size - file.tell()
        if held != count * dtype.itemsize:
            raise ValueError(
                f"it has {held:,} bytes of numbers; shape {shape} asks for "
                f"{count * dtype.itemsize:,}"
            )
        values = np.fromfile(file, np.float32, count).reshape(shape)  # (rows, *columns)
    if not np.isfinite(values).all():
        raise ValueError("it holds NaN or infinity")
    return values
