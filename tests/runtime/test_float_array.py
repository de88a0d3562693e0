"""A .npy file is compared with its own size before memory is taken for its shape."""

from pathlib import Path

import numpy as np
import pytest

from ondol.runtime.float_array import read_float32


def test_what_numpy_saved(tmp_path: Path) -> None:
    expected = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.save(tmp_path / "a.npy", expected)
    found = read_float32(tmp_path / "a.npy", rows=None, columns=(2,))
    assert found.tolist() == expected.tolist()


def test_a_shape_of_terabytes_and_an_array_of_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((3, 2), np.float32))
    path.write_bytes(path.read_bytes().replace(b"(3, 2), }" + 12 * b" ", b"(3000000000000, 2), }"))
    with pytest.raises(ValueError, match="asks for 24,000,000,000,000"):
        read_float32(path, rows=None, columns=(2,))
    np.save(path, np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="expected float32"):
        read_float32(path, rows=2, columns=())
    np.save(path, np.array([[np.nan]], dtype=np.float32))
    with pytest.raises(ValueError, match="NaN"):
        read_float32(path, rows=1, columns=(1,))
