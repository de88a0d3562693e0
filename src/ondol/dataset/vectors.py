"""The Parquet file of a partition: ids and vectors, and whose they are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any

from ondol.errors import InputError
from ondol.precision import Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ondol.dataset.storage import Written

#: Rows of a row group: 12 MB of float32 vectors of 384 elements, which are in memory before they
#: are written.
_GROUP_ROWS = 8192

#: Under this key a file's metadata tells, in JSON, which model and settings made it.
METADATA_KEY = b"ondol"


class VectorType(Enum):
    """Numbers of the stored vectors. FLOAT16 is float32, rounded; the others are
    `ondol.precision.Precision`'s.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    UBINARY = "ubinary"

    @classmethod
    def parse(cls, name: str) -> "VectorType":
        """Raises InputError with the list of names for another one."""
        try:
            return cls(name)
        except ValueError:
            known = ", ".join(kind.value for kind in cls)
            raise InputError(f"unknown precision {name!r}; expected one of: {known}") from None

    @property
    def precision(self) -> Precision:
        """In which the model returns them."""
        return Precision.FLOAT32 if self is VectorType.FLOAT16 else Precision(self.value)

    @property
    def dtype(self) -> str:
        """numpy's and Arrow's name of the type of an element."""
        return "float16" if self is VectorType.FLOAT16 else self.precision.dtype


class IdType(Enum):
    """Arrow's name of the type of the ids."""

    INT64 = "int64"
    STRING = "string"


@contextmanager
def vector_writer(
    file: "Written",
    *,
    ids: IdType,
    vectors: VectorType,
    columns: int,
    metadata: Mapping[str, Any],
) -> Iterator["VectorWriter"]:
    """A writer to `file`, which is a whole Parquet file when the block ends without an error.

    Args:
        file: to be filled.
        columns: of a vector.
        metadata: whose vectors they are, for every reader of the file.
    """
    import pyarrow
    import pyarrow.parquet

    number = pyarrow.from_numpy_dtype(vectors.dtype)
    text = json.dumps(metadata, ensure_ascii=False, sort_keys=True)
    schema = pyarrow.schema(
        [
            pyarrow.field("id", getattr(pyarrow, ids.value)(), nullable=False),
            pyarrow.field("embedding", pyarrow.list_(number, columns), nullable=False),
        ],
        metadata={METADATA_KEY: text.encode()},
    )
    # Vectors have no values twice and nothing that a compressor finds.
    with pyarrow.parquet.ParquetWriter(
        file,
        schema,
        use_dictionary=False,
        compression={"id": "zstd", "embedding.list.element": "none"},
        write_statistics=["id"],
    ) as parquet:
        writer = VectorWriter(parquet, schema, vectors.dtype)
        yield writer
        writer.flush()


class VectorWriter:
    """Writes columns `id` and `embedding` (a fixed-size list) window by window.

    Args:
        parquet: a ParquetWriter.
        schema: of both columns.
        dtype: of the elements, as numpy names it.
    """

    def __init__(self, parquet: Any, schema: Any, dtype: str) -> None:
        self._parquet = parquet
        self._schema = schema
        self._dtype = dtype
        self._waiting: list[Any] = []
        self._waiting_rows = 0

    def write(self, ids: Sequence[Any], vectors: "NDArray[Any]") -> None:
        """ids: n; vectors: (n, columns)."""
        import pyarrow

        flat = pyarrow.array(vectors.astype(self._dtype, copy=False).reshape(-1))
        arrays = [
            pyarrow.array(ids, self._schema.field("id").type),
            pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        ]
        self._waiting.append(pyarrow.record_batch(arrays, schema=self._schema))
        self._waiting_rows += len(ids)
        if self._waiting_rows >= _GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits, as a row group."""
        import pyarrow

        if self._waiting:
            self._parquet.write_table(pyarrow.Table.from_batches(self._waiting))
        self._waiting, self._waiting_rows = [], 0
