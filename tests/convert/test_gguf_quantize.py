"""llama.cpp's quantizer through our door: what tensors become, and what it says when it fails."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ondol.convert.gguf_quantize import (
    _fold_layers,
    quantize_gguf,
    tensor_totals,
    tensor_types,
)
from ondol.errors import BundleError, ConversionError, MissingDependencyError
from ondol.runtime import llama_library
from ondol.variants import Variant

MakeCheckpoint = Callable[..., Path]
MakeGguf = Callable[..., Path]


@pytest.mark.parametrize(
    ("variant", "hidden_size", "attention", "embedding"),
    [
        ("gguf-q8_0", 64, "Q8_0", "Q8_0"),
        ("gguf-q5_0", 64, "Q5_0", "Q5_0"),
        ("gguf-q4_0", 64, "Q4_0", "Q4_0"),
        ("gguf-q4_0", 256, "Q4_0", "Q4_0"),
        # Left to llama.cpp, the word embedding counts as the output of a model with tied embeddings
        # and stays at 8 bits (src/llama-quant.cpp): Q6_K, or Q8_0 where 256 does not divide a row.
        ("gguf-q4_k_m", 256, "Q4_K", "Q6_K"),
        # 64 is no multiple of a K-quant's 256 values: llama.cpp takes another type.
        ("gguf-q4_k_m", 64, "Q5_0", "Q8_0"),
    ],
)
def test_what_tensors_become(
    make_checkpoint: MakeCheckpoint,
    make_gguf: MakeGguf,
    variant: str,
    hidden_size: int,
    attention: str,
    embedding: str,
) -> None:
    path = make_gguf(make_checkpoint(hidden_size=hidden_size), variant)
    types = tensor_types(path)
    assert types["blk.1.attn_q.weight"] == attention
    assert types["token_embd.weight"] == embedding
    always_float = ["position_embd.weight", "token_types.weight", "blk.0.attn_q.bias"]
    assert {types[name] for name in always_float} == {"F32"}


def test_totals_count_every_tensor_and_byte(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf
) -> None:
    path = make_gguf(make_checkpoint(hidden_size=64), "gguf-q4_0")
    totals = tensor_totals(path)
    # Per layer six matrices; one word embedding; the rest are vectors and small tables.
    assert totals["Q4_0"].tensors == 13
    assert set(totals["Q4_0"].names) == {
        "token_embd.weight",
        "blk.0-1.attn_q.weight",
        "blk.0-1.attn_k.weight",
        "blk.0-1.attn_v.weight",
        "blk.0-1.attn_output.weight",
        "blk.0-1.ffn_up.weight",
        "blk.0-1.ffn_down.weight",
    }
    # 4 square matrices and 2 of twice the size in 2 layers, and 17 rows, of 64 columns: blocks of
    # 32 values in 16 bytes and a float16 scale.
    assert totals["Q4_0"].bytes == (2 * (8 * 64 * 64) + 17 * 64) // 32 * 18
    assert sum(total.tensors for total in totals.values()) == len(tensor_types(path))
    assert [total.bytes for total in totals.values()] == sorted(
        (total.bytes for total in totals.values()), reverse=True
    )


def test_bytes_do_not_depend_on_threads(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, tmp_path: Path
) -> None:
    source = make_gguf(make_checkpoint(hidden_size=64))
    written = []
    for threads in (1, 2, 3):
        target = tmp_path / f"{threads}.gguf"
        quantize_gguf(source, target, Variant.GGUF_Q4_K_M, threads=threads)
        written.append(target.read_bytes())
    assert written[0] == written[1] == written[2]


def test_quantizing_is_quiet(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, capfd: pytest.CaptureFixture[str]
) -> None:
    directory = make_checkpoint()
    capfd.readouterr()
    make_gguf(directory, "gguf-q8_0")
    assert capfd.readouterr() == ("", "")


def test_failure_carries_llama_cpps_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "broken.gguf"
    source.write_bytes(b"no gguf file at all")
    with pytest.raises(ConversionError, match=r"could not quantize .*invalid magic"):
        quantize_gguf(source, tmp_path / "out.gguf", Variant.GGUF_Q8_0, threads=1)
    assert capfd.readouterr().err == ""


def test_target_that_cannot_be_written(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, tmp_path: Path
) -> None:
    source = make_gguf(make_checkpoint())
    with pytest.raises(ConversionError, match="could not quantize"):
        quantize_gguf(source, tmp_path / "none" / "out.gguf", Variant.GGUF_Q8_0, threads=1)


def test_float_variants_are_not_quantized(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"gguf-f16 is not made by llama.cpp's quantizer"):
        quantize_gguf(tmp_path / "a", tmp_path / "b", Variant.GGUF_F16, threads=1)


def test_listing_a_file_that_is_no_gguf(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"x" * 100)
    with pytest.raises(BundleError, match="as a GGUF file"):
        tensor_types(path)


def test_without_llama_cpp_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise ImportError("No module named 'llama_cpp'")

    monkeypatch.setattr(llama_library, "_load", absent)
    with pytest.raises(MissingDependencyError, match=r"llama-cpp-python.*ondol\[gguf\]"):
        quantize_gguf(tmp_path / "a", tmp_path / "b", Variant.GGUF_Q8_0, threads=1)


def test_layers_are_folded_into_ranges() -> None:
    names = ["a.weight", "blk.0.x", "blk.2.x", "blk.3.x", "blk.4.x", "blk.1.y", "blk.10.x"]
    assert _fold_layers(names) == ("a.weight", "blk.0,2-4,10.x", "blk.1.y")
