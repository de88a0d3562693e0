"""Writing texts and their vectors, window by window, as npy, JSON Lines or Parquet."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from ondol.cli.table import StandardOutput
from ondol.errors import InputError, MissingDependencyError
from ondol.files import atomic_file

if TYPE_CHECKING:
    from numpy.typing import NDArray


class OutputFormat(Enum):
    """What is written; values as the suffix names it."""

    JSONL = ".jsonl"
    NPY = ".npy"
    PARQUET = ".parquet"

    @classmethod
    def of(cls, path: Path) -> "OutputFormat":
        """By the suffix. Raises InputError for another one.

        Raises MissingDependencyError for Parquet without pyarrow: before any work is done.
        """
        try:
            kind = cls(path.suffix.lower())
        except ValueError:
            known = ", ".join(member.value for member in cls)
            raise InputError(
                f"{path}: cannot tell the format from the suffix; expected one of {known}"
            ) from None
        if kind is cls.PARQUET:
            _pyarrow()
        return kind


class Writer(Protocol):
    """Takes the results of one window after the other."""

    def write(self, texts: Sequence[str], vectors: "NDArray[Any]") -> None:
        """texts: n; vectors: (n, columns) of the output's dtype."""
        ...

    def finish(self) -> None:
        """Write what can only be known at the end."""
        ...


@contextmanager
def open_output(path: Path | None, *, columns: int, dtype: str) -> Iterator[Writer]:
    """A Writer to `path`, which appears whole at the end or not at all; None: standard output.

    columns: of a vector. dtype: "float32", "int8" or "uint8".
    """
    if path is None:
        yield JsonLinesWriter(StandardOutput())
        return
    kind = OutputFormat.of(path)
    with atomic_file(path) as partial:
        if kind is OutputFormat.PARQUET:
            with _pyarrow().ParquetWriter(partial, _schema(columns, dtype)) as file:
                yield ParquetWriter(file, columns, dtype)
        else:
            with partial.open("wb") as file:
                writer: Writer = (
                    NpyWriter(file, columns, dtype)
                    if kind is OutputFormat.NPY
                    else JsonLinesWriter(file)
                )
                yield writer
                writer.finish()


class JsonLinesWriter:
    """One JSON object per line: {"text": …, "embedding": […]}, in UTF-8."""

    def __init__(self, file: "IO[bytes] | StandardOutput") -> None:
        self._file = file

    def write(self, texts: Sequence[str], vectors: "NDArray[Any]") -> None:
        for text, vector in zip(texts, vectors.tolist(), strict=True):
            # Nine significant digits name a float32 exactly, and every byte; Python's repr would
            # print a double's.
            numbers = ", ".join([f"{value:.9g}" for value in vector])
            line = f'{{"text": {json.dumps(text, ensure_ascii=False)}, "embedding": [{numbers}]}}\n'
            self._file.write(line.encode("utf-8"))
        self._file.flush()  # so that the next program in a pipe can begin

    def finish(self) -> None:
        pass


class NpyWriter:
    """A (texts, columns) array in C order; numpy.load can map it into memory."""

    def __init__(self, file: IO[bytes], columns: int, dtype: str) -> None:
        import numpy as np

        self._file = file
        self._columns = columns
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._rows = 0
        self._write_header()
        self._header_bytes = file.tell()

    def write(self, texts: Sequence[str], vectors: "NDArray[Any]") -> None:
        self._file.write(vectors.astype(self._dtype, copy=False).tobytes())
        self._rows += len(vectors)

    def finish(self) -> None:
        # numpy pads the header for an array that grows along its first axis (GROWTH_AXIS_MAX_DIGITS
        # in numpy/lib/format.py), so the true number of rows fits where 0 stood.
        self._file.seek(0)
        self._write_header()
        if self._file.tell() != self._header_bytes:
            raise RuntimeError("numpy changed the size of an npy header")

    def _write_header(self) -> None:
        import numpy as np

        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "descr": np.lib.format.dtype_to_descr(self._dtype),
                "fortran_order": False,
                "shape": (self._rows, self._columns),
            },
        )


class ParquetWriter:
    """Columns `text` (string) and `embedding` (a list of `columns` numbers)."""

    def __init__(self, file: Any, columns: int, dtype: str) -> None:
        self._file = file
        self._columns = columns
        self._schema = _schema(columns, dtype)

    def write(self, texts: Sequence[str], vectors: "NDArray[Any]") -> None:
        import pyarrow

        embeddings = pyarrow.FixedSizeListArray.from_arrays(
            pyarrow.array(vectors.reshape(-1)), self._columns
        )
        arrays = [pyarrow.array(texts, pyarrow.string()), embeddings]
        self._file.write_batch(pyarrow.record_batch(arrays, schema=self._schema))

    def finish(self) -> None:
        pass


def _schema(columns: int, dtype: str) -> Any:
    import pyarrow

    number = {"float32": pyarrow.float32, "int8": pyarrow.int8, "uint8": pyarrow.uint8}[dtype]()
    return pyarrow.schema(
        [("text", pyarrow.string()), ("embedding", pyarrow.list_(number, columns))]
    )


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError("writing Parquet files", "pyarrow", "parquet") from error
    return pyarrow.parquet
