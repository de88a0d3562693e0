"""GGUF files on which llama.cpp aborts the process, or opens others, never reach it."""

from pathlib import Path

import pytest

from ondol.errors import BundleError
from ondol.runtime.gguf_check import check_gguf


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"\4\0\0\0\0\0\0\0bert", b"\4\0\0\0\0\0\0\0bord", "architecture is 'bord'"),
        (b"bert.block_count", b"bert.split_count", "unknown key|lacks the key"),
        (b"\1\0\0\0\0\0\0\0a", b"\1\0\0\0\0\0\0\0b", "a token twice"),
    ],
)
def test_what_is_refused(
    tiny_bundle: Path, tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    content = (tiny_bundle / "gguf/model-f32.gguf").read_bytes()
    assert old in content
    (tmp_path / "model.gguf").write_bytes(content.replace(old, new))
    with pytest.raises(BundleError, match=message):
        check_gguf(tmp_path / "model.gguf")
