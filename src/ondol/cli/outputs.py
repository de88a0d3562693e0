"""Writing texts and their vectors, window by window, as npy, JSON Lines or Parquet."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from ondol.errors import InputError, MissingDependencyError
from ondol.files import atomic_file

if TYPE_CHECKING:
    import numpy as np
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

    def write(self, texts: Sequence[str], vectors: "NDArray[np.float32]") -> None:
        """texts: n; vectors: (n, dim) float32."""
        ...

    def finish(self) -> None:
        """Write what can only be known at the end."""
        ...


@contextmanager
def open_output(path: Path | None, *, dimension: int) -> Iterator[Writer]:
    """A Writer to `path`, which appears whole at the end or not at all; None: standard output.

    dimension: columns of a vector.
    """
    if path is None:
        yield JsonLinesWriter(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    kind = OutputFormat.of(path)
    with atomic_file(path) as partial:
        if kind is OutputFormat.PARQUET:
            with _pyarrow().ParquetWriter(partial, _schema(dimension)) as file:
                yield ParquetWriter(file, dimension)
        else:
            with partial.open("wb") as file:
                writer: Writer = (
                    NpyWriter(file, dimension)
                    if kind is OutputFormat.NPY
                    else JsonLinesWriter(file)
                )
                yield writer
                writer.finish()


class JsonLinesWriter:
    """One JSON object per line: {"text": …, "embedding": […]}, in UTF-8."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, texts: Sequence[str], vectors: "NDArray[np.float32]") -> None:
        for text, vector in zip(texts, vectors.tolist(), strict=True):
            # Nine significant digits name a float32 exactly; Python's repr would print a double's.
            numbers = ", ".join([f"{value:.9g}" for value in vector])
            line = f'{{"text": {json.dumps(text, ensure_ascii=False)}, "embedding": [{numbers}]}}\n'
            self._file.write(line.encode("utf-8"))
        self._file.flush()  # so that the next program in a pipe can begin

    def finish(self) -> None:
        pass


class NpyWriter:
    """A (texts, dim) float32 array in C order; numpy.load can map it into memory."""

    def __init__(self, file: IO[bytes], dimension: int) -> None:
        self._file = file
        self._dimension = dimension
        self._rows = 0
        self._write_header()
        self._header_bytes = file.tell()

    def write(self, texts: Sequence[str], vectors: "NDArray[np.float32]") -> None:
        self._file.write(vectors.astype("<f4", copy=False).tobytes())
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
            {"descr": "<f4", "fortran_order": False, "shape": (self._rows, self._dimension)},
        )


class ParquetWriter:
    """Columns `text` (string) and `embedding` (a list of `dimension` float32)."""

    def __init__(self, file: Any, dimension: int) -> None:
        self._file = file
        self._dimension = dimension

    def write(self, texts: Sequence[str], vectors: "NDArray[np.float32]") -> None:
        import pyarrow

        embeddings = pyarrow.FixedSizeListArray.from_arrays(
            pyarrow.array(vectors.reshape(-1)), self._dimension
        )
        columns = [pyarrow.array(texts, pyarrow.string()), embeddings]
        self._file.write_batch(pyarrow.record_batch(columns, schema=_schema(self._dimension)))

    def finish(self) -> None:
        pass


def _schema(dimension: int) -> Any:
    import pyarrow

    return pyarrow.schema(
        [("text", pyarrow.string()), ("embedding", pyarrow.list_(pyarrow.float32(), dimension))]
    )


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError("writing Parquet files", "pyarrow", "parquet") from error
    return pyarrow.parquet
