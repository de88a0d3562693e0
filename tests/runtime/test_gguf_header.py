"""Our reader of tensor headers, against gguf-py's, and on files that are none."""

import struct
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader

from ondol.errors import BundleError
from ondol.runtime.gguf_header import TensorInfo, ValueType, read_tensors


@pytest.mark.parametrize("variant", ["gguf-f32", "gguf-f16", "gguf-q8_0", "gguf-q4_k_m"])
def test_agrees_with_gguf_py(make_checkpoint: Any, make_gguf: Any, variant: str) -> None:
    path = make_gguf(make_checkpoint(hidden_size=64), variant)
    expected = [
        TensorInfo(
            str(tensor.name),
            tensor.tensor_type.name,
            int(tensor.n_bytes),
            tuple(map(int, tensor.shape)),
        )
        for tensor in GGUFReader(path).tensors
    ]
    assert len(expected) == 5 + 2 * 16
    assert read_tensors(path) == tuple(expected)


def test_a_file_cut_short_at_any_place(
    make_checkpoint: Any, make_gguf: Any, tmp_path: Path
) -> None:
    path = make_gguf(make_checkpoint(), "gguf-f32")
    content = path.read_bytes()
    header = content.index(b"blk.1.layer_output_norm.bias")
    cut = tmp_path / "cut.gguf"
    for length in range(0, header, 7):
        cut.write_bytes(content[:length])
        with pytest.raises(BundleError, match=r"cannot read .*cut\.gguf as a GGUF file"):
            read_tensors(cut)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"GGML" + bytes(60), "does not begin with GGUF"), (b"GGUF\2" + bytes(60), "version 2")],
)
def test_other_files(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=reason):
        read_tensors(path)


@pytest.mark.parametrize("kind", [ValueType.STRING, ValueType.UINT8, ValueType.FLOAT64])
@pytest.mark.parametrize("count", [2**31, 2**40, 2**61 + 1, 2**64 - 1])
def test_an_array_that_lies_about_its_length(tmp_path: Path, kind: ValueType, count: int) -> None:
    """Nothing is taken for it; 2**61 + 1 numbers of eight bytes wrap around to eight bytes."""
    path = tmp_path / "file"
    key = struct.pack("<Q1sIIQ", 1, b"a", ValueType.ARRAY, kind, count)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key + bytes(64))
    with pytest.raises(BundleError, match=r"inside its header|does not fit the file"):
        read_tensors(path)


@pytest.mark.parametrize(("tensors", "keys"), [(2**63, 0), (0, 2**63)])
def test_a_header_that_lies_about_its_entries(tmp_path: Path, tensors: int, keys: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, tensors, keys))
    with pytest.raises(BundleError, match="inside its header"):
        read_tensors(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere"):
        read_tensors(tmp_path / "nowhere")
