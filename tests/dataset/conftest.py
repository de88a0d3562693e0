"""Small data sets, and what their vectors have to be."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from ondol import Embedder

Vectors = Callable[..., NDArray[Any]]


@pytest.fixture(scope="session")
def model() -> Iterator[Embedder]:
    """The bundle inside the package, as a user would call it."""
    with Embedder(check="off") as opened:
        yield opened


@pytest.fixture(scope="session")
def vectors_of(model: Embedder) -> Vectors:
    """(n, columns): what Embedder makes of documents."""

    def encode(texts: Sequence[str], **options: Any) -> NDArray[Any]:
        return model.encode_document(list(texts), **options)

    return encode


@pytest.fixture
def read_output() -> Callable[[Path | str], dict[Any, NDArray[Any]]]:
    """The vectors of an output folder by id; an id that is there twice is an error."""

    def read(folder: Path | str) -> dict[Any, NDArray[Any]]:
        table = pyarrow.dataset.dataset(folder).to_table()
        ids = table["id"].to_pylist()
        assert len(set(ids)) == len(ids), "a row is there twice"
        return dict(zip(ids, matrix(table), strict=True))

    return read


def matrix(table: Any) -> NDArray[Any]:
    """(rows, columns) of the column `embedding`."""
    column = table["embedding"].combine_chunks()
    return np.asarray(column.flatten()).reshape(len(column), column.type.list_size)


@pytest.fixture
def parquet() -> Callable[..., Path]:
    """Writes a file of the columns that are given by name."""

    def write(path: Path, **columns: Sequence[Any]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pyarrow.table(columns), path)
        return path

    return write
