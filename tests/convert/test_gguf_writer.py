"""Our GGUF files: the model that PyTorch has, and the tokenizer that tokenizer.json describes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from ondol.checkpoint import Checkpoint
from ondol.convert.gguf_writer import write_gguf
from ondol.errors import ConversionError
from ondol.variants import Variant

MakeCheckpoint = Callable[..., Path]
MakeGguf = Callable[..., Path]

F32 = Variant.GGUF_F32


def write(checkpoint_dir: Path, path: Path, **changes: Any) -> Path:
    """write_gguf of a checkpoint, with some arguments replaced."""
    checkpoint = Checkpoint(checkpoint_dir)
    arguments: dict[str, Any] = {
        "architecture": checkpoint.architecture,
        "weights": {name: t.numpy() for name, t in checkpoint.encoder_weights().items()},
        "tokenizer": checkpoint.tokenizer(),
        "pooling": checkpoint.pooling,
        "name": "tiny",
        "variant": F32,
    }
    write_gguf(path, **{**arguments, **changes})
    return path


def tensors(path: Path) -> dict[str, Any]:
    """The file's tensors by name; gguf lists shapes in ggml's order, data in numpy's."""
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def fields(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


def test_what_the_file_says(make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf) -> None:
    found = fields(make_gguf(make_checkpoint()))
    expected = {
        "general.architecture": "bert",
        "general.name": "tiny",
        "general.file_type": 0,
        "bert.block_count": 2,
        "bert.embedding_length": 32,
        "bert.feed_forward_length": 64,
        "bert.context_length": 24,
        "bert.attention.head_count": 4,
        "bert.attention.causal": False,
        "bert.pooling_type": 1,
        "tokenizer.ggml.model": "t5",
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.add_space_prefix": True,
        "tokenizer.ggml.remove_extra_whitespaces": True,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": True,
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.cls_token_id": 0,
        "tokenizer.ggml.padding_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.seperator_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 3,
        "tokenizer.ggml.mask_token_id": 16,
        # <s> <pad> </s> control, <unk> unknown, twelve normal pieces, <mask> control.
        "tokenizer.ggml.token_type": [3, 3, 3, 2, *[1] * 12, 3],
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found["bert.attention.layer_norm_epsilon"] == np.float32(1e-12)
    assert found["tokenizer.ggml.tokens"][4:7] == ["▁", "▁한", "국"]
    assert found["tokenizer.ggml.scores"][4:7] == [-2.0, -2.5, -3.0]


@pytest.mark.parametrize(("pooling", "number"), [("mean", 1), ("cls", 2), ("lasttoken", 3)])
def test_pooling_is_recorded(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, pooling: str, number: int
) -> None:
    found = fields(make_gguf(make_checkpoint(pooling=pooling)))
    assert found["bert.pooling_type"] == number


@pytest.mark.parametrize(("model_type", "cut"), [("bert", 0), ("xlm-roberta", 2)])
def test_positions_begin_where_llama_cpp_counts_from(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, model_type: str, cut: int
) -> None:
    directory = make_checkpoint(model_type=model_type)
    rows = Checkpoint(directory).encoder_weights()["embeddings.position_embeddings.weight"].numpy()
    path = make_gguf(directory)
    np.testing.assert_array_equal(tensors(path)["position_embd.weight"].data, rows[cut:])
    assert fields(path)["bert.context_length"] == 24


@pytest.mark.parametrize("extra_rows", [0, 5])
def test_rows_without_a_token_are_left_out(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, extra_rows: int
) -> None:
    directory = make_checkpoint(extra_rows=extra_rows)
    rows = Checkpoint(directory).encoder_weights()["embeddings.word_embeddings.weight"].numpy()
    assert len(rows) == 17 + extra_rows
    written = tensors(make_gguf(directory))["token_embd.weight"].data
    np.testing.assert_array_equal(written, rows[:17])


def test_float16_is_for_matrices_alone(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf
) -> None:
    path = make_gguf(make_checkpoint(), "gguf-f16")
    half = {name for name, tensor in tensors(path).items() if tensor.tensor_type.name == "F16"}
    parts = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"]
    matrices = {f"blk.{layer}.{part}.weight" for layer in (0, 1) for part in parts}
    assert half == matrices | {"token_embd.weight"}
    assert fields(path)["general.file_type"] == 1


def test_same_input_same_bytes(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    directory = make_checkpoint()
    weights = {n: t.numpy() for n, t in Checkpoint(directory).encoder_weights().items()}
    first = write(directory, tmp_path / "a.gguf").read_bytes()
    # The order of a mapping is not part of the input.
    second = write(directory, tmp_path / "b.gguf", weights=dict(reversed(weights.items())))
    assert second.read_bytes() == first


def _replace(name: str, value: np.ndarray | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(weights: dict[str, Any]) -> dict[str, Any]:
        kept = {key: array for key, array in weights.items() if key != name}
        return kept if value is None else {**kept, name: value}

    return change


EMBEDDING, BIAS = "embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.bias"


@pytest.mark.parametrize(
    ("change", "variant", "message"),
    [
        (_replace(BIAS, None), "gguf-f32", f"no tensor {BIAS}"),
        (_replace(BIAS, np.zeros(3, np.float32)), "gguf-f32", r"shape \(3,\); expected .*\(32,\)"),
        (_replace(BIAS, np.zeros(32)), "gguf-f32", "float64"),
        (_replace(BIAS, np.full(32, np.nan, np.float32)), "gguf-f32", "NaN or infinity"),
        (_replace(EMBEDDING, np.full((20, 32), 1e5, np.float32)), "gguf-f16", "65,504"),
    ],
)
def test_unusable_weights(
    make_checkpoint: MakeCheckpoint,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    variant: str,
    message: str,
) -> None:
    directory = make_checkpoint()
    weights = {n: t.numpy() for n, t in Checkpoint(directory).encoder_weights().items()}
    with pytest.raises(ConversionError, match=message):
        write(
            directory,
            tmp_path / "a.gguf",
            weights=change(weights),
            variant=Variant.parse(variant),
        )


def test_more_tokens_than_rows(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    directory = make_checkpoint(extra_rows=0)
    tokenizer = Checkpoint(directory).tokenizer()
    tokenizer["model"]["vocab"].append(["new", -9.0])
    with pytest.raises(ConversionError, match="18 entries but the word embedding 17 rows"):
        write(directory, tmp_path / "a.gguf", tokenizer=tokenizer)


def test_only_float_variants_are_written(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="gguf-q8_0 is not written from weights"):
        write(make_checkpoint(), tmp_path / "a.gguf", variant=Variant.GGUF_Q8_0)
