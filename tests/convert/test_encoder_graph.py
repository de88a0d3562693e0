"""The graph made from the weights: PyTorch's model, and integers where a plan has them."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

import ondol.convert.encoder_graph as encoder_graph
from ondol.checkpoint import Checkpoint
from ondol.convert.encoder_graph import (
    EncoderPlan,
    Kind,
    QuantizedProduct,
    parts_of,
    product_input,
    write_encoder,
)
from ondol.convert.encoder_weights import EncoderWeights, Linear
from ondol.convert.integers import Int4Rows, Int4Weights, Int8Rows, Int8Weights
from ondol.convert.onnx_export import export_float
from ondol.convert.rounding import round_int4, round_int8
from ondol.convert.torch_encoder import load_encoder
from ondol.errors import ConversionError
from ondol.runtime.int8_products import make_products_exact
from ondol.runtime.onnx_check import VOCAB_ROWS_KEY

MakeCheckpoint = Callable[..., Path]
RandomEncoder = Callable[..., EncoderWeights]

SHAPES = [(1, 2), (1, 24), (2, 1), (3, 7), (8, 16)]  # texts, tokens
KEYS = [(layer, kind) for layer in (0, 1) for kind in Kind]
OUTLIERS = 32


def open_session(path: Path, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    """A session as the runtime opens it; `optimized` gets the graph that it runs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    make_products_exact(options)
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
def test_the_size_of_the_float_file_is_foreseen(
    make_checkpoint: MakeCheckpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model_type: str,
) -> None:
    checkpoint = Checkpoint(make_checkpoint(model_type=model_type, hidden_size=128))
    weights = EncoderWeights.of(checkpoint)
    path = tmp_path / "model.onnx"
    write_encoder(weights, EncoderPlan.in_float(weights), path)
    size = path.stat().st_size
    # The nodes are a few kilobytes more than the numbers.
    monkeypatch.setattr(encoder_graph, "MAX_FILE_BYTES", size)
    encoder_graph.check_float_size(checkpoint.architecture)
    monkeypatch.setattr(encoder_graph, "MAX_FILE_BYTES", size - 20_000)
    with pytest.raises(ConversionError, match=r"onnx-fp32 of 2 layers and 20 rows"):
        encoder_graph.check_float_size(checkpoint.architecture)


def test_the_largest_published_encoders_fit_pruned_and_not_whole(
    make_checkpoint: MakeCheckpoint,
) -> None:
    whole = replace(
        Checkpoint(make_checkpoint()).architecture,
        layers=24,
        hidden_size=1024,
        intermediate_size=4096,
        vocab_rows=250_002,
        max_tokens=512,
    )
    with pytest.raises(ConversionError, match="--vocab-size"):
        encoder_graph.check_float_size(whole)
    encoder_graph.check_float_size(replace(whole, vocab_rows=48_000, max_tokens=8192))


def states_of(session: onnxruntime.InferenceSession, ids: NDArray[np.int64]) -> NDArray[Any]:
    feeds = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    named = {item.name: feeds[item.name] for item in session.get_inputs()}
    (states,) = session.run(["last_hidden_state"], named)
    return states


def observed(weights: EncoderWeights, path: Path) -> Mapping[str, NDArray[np.float32]]:
    """What goes into every product of the float graph on some tokens."""
    write_encoder(weights, EncoderPlan.in_float(weights), path, product_inputs=True)
    names = [product_input(key) for key in KEYS]
    ids = np.random.default_rng(1).integers(0, 40, (4, 24))
    values = open_session(path).run(names, {"input_ids": ids})
    return dict(zip(names, values, strict=True))


def quantized_plan(weights: EncoderWeights, precision: str, work: Path) -> EncoderPlan:
    """Every product in integers, with smoothing before two kinds and outliers before the last."""
    inputs = observed(weights, work / "observed.onnx")
    rng = np.random.default_rng(2)
    products = {}
    for key in KEYS:
        source, parts = inputs[product_input(key)], parts_of(weights, key)
        count = source.shape[1]
        smoothing = None
        factors = np.ones(count, dtype=np.float32)
        if key[1] in (Kind.QKV, Kind.UP):
            smoothing = factors = rng.uniform(0.5, 2, count).astype(np.float32)
        outliers = OUTLIERS if key[1] is Kind.DOWN else 0
        used = (source * factors)[:, : count - outliers]
        low, high = min(0.0, float(used.min())), max(0.0, float(used.max()))
        scale = np.float32((high - low) / 255)
        forms: list[Int8Weights | Int4Weights] = []
        gram = source.T.astype(np.float64) @ source
        for part in parts:
            weight = part.weight / factors[:, None]
            round_weights = {"int8": round_int8, "int4": round_int4}[precision]
            smallest = np.full(weight.shape[1], 1e-6, dtype=np.float32)
            form, left = round_weights(weight, gram, smallest, exact=outliers)
            forms.append(form)
        zero_point = np.uint8(round(-low / scale))
        products[key] = QuantizedProduct(
            smoothing=smoothing,
            scale=scale,
            zero_point=zero_point,
            weights=tuple(forms),
            biases=tuple(part.bias for part in parts),
            outlier_weight=left if outliers else None,
        )
    words = {"int8": Int8Rows, "int4": Int4Rows}[precision].of(weights.words)
    return EncoderPlan(words, Int8Rows.of(weights.positions), products)


@pytest.fixture(scope="module")
def loud_encoder(random_encoder: RandomEncoder) -> EncoderWeights:
    """Of every layer the last channels after Gelu are far larger than the others."""
    weights = random_encoder(seed=3)
    for layer in weights.layers:
        layer.up.bias[-OUTLIERS:] += 40
    return weights


def soften(checkpoint_dir: Path) -> Path:
    """Make the random attention as even as a trained one: as it comes it is so sharp that PyTorch
    in float32 is 2e-5 off PyTorch in float64.
    """
    file = checkpoint_dir / "model.safetensors"
    tensors = load_file(file)
    softer = {name: t / 4 if ".self.query." in name else t for name, t in tensors.items()}
    save_file(softer, file, metadata={"format": "pt"})
    return checkpoint_dir


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
def test_float_states_are_those_of_pytorch_and_of_optimums_export(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, model_type: str
) -> None:
    checkpoint = Checkpoint(soften(make_checkpoint(model_type=model_type)))
    weights = EncoderWeights.of(checkpoint)
    write_encoder(weights, EncoderPlan.in_float(weights), tmp_path / "ours.onnx")
    model = load_encoder(checkpoint)
    export_float(model, tmp_path / "optimum.onnx")
    ours, optimums = (open_session(tmp_path / f"{n}.onnx") for n in ("ours", "optimum"))
    assert checkpoint.architecture.max_tokens == max(tokens for _, tokens in SHAPES)
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        # XLM-R gives `<pad>`, which is 1, no position of its own.
        ids = rng.integers(2, len(weights.words), shape)
        states = states_of(ours, ids)
        with torch.inference_mode():
            batch = torch.tensor(ids)
            expected = model(input_ids=batch, attention_mask=torch.ones_like(batch))
        assert states.shape == (*shape, 32)
        assert np.abs(states - expected.last_hidden_state.numpy()).max() <= 1e-5
        assert np.abs(states - states_of(optimums, ids)).max() <= 1e-5


@pytest.mark.parametrize(("model_type", "first"), [("bert", 0), ("xlm-roberta", 2)])
def test_positions_begin_after_the_padding_id(
    make_checkpoint: MakeCheckpoint, model_type: str, first: int
) -> None:
    checkpoint = Checkpoint(make_checkpoint(model_type=model_type))
    tensors = checkpoint.encoder_weights()
    table = tensors["embeddings.position_embeddings.weight"].numpy()
    segment = tensors["embeddings.token_type_embeddings.weight"].numpy()[0]
    positions = EncoderWeights.of(checkpoint).positions
    np.testing.assert_array_equal(positions, table[first : first + 24] + segment)


def test_what_the_file_says(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    weights = EncoderWeights.of(Checkpoint(make_checkpoint(extra_rows=5)))
    path = tmp_path / "model.onnx"
    write_encoder(weights, EncoderPlan.in_float(weights), path)
    session = open_session(path)
    (given,), (result,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape) == (
        "input_ids",
        "tensor(int64)",
        ["batch", "tokens"],
    )
    assert (result.name, result.type, result.shape) == (
        "last_hidden_state",
        "tensor(float)",
        ["batch", "tokens", 32],
    )
    assert session.get_modelmeta().custom_metadata_map == {VOCAB_ROWS_KEY: "22"}


def test_what_goes_into_each_product(
    random_encoder: RandomEncoder, numpy_encoder: Any, tmp_path: Path
) -> None:
    weights = random_encoder()
    path = tmp_path / "watched.onnx"
    write_encoder(weights, EncoderPlan.in_float(weights), path, product_inputs=True)
    session = open_session(path)
    names = [item.name for item in session.get_outputs()]
    assert names == ["last_hidden_state", *(product_input(key) for key in KEYS)]
    ids = np.random.default_rng(4).integers(0, 40, (3, 9))
    found = dict(zip(names, session.run(names, {"input_ids": ids}), strict=True))
    texts = [numpy_encoder(weights).run(text) for text in ids]
    states = np.stack([last for _, last in texts])
    assert np.abs(found["last_hidden_state"] - states).max() <= 1e-5
    for key in KEYS:
        rows = np.concatenate([inputs[key] for inputs, _ in texts])
        np.testing.assert_allclose(found[product_input(key)], rows, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "int8", "int4"])
def test_same_input_same_bytes_of_a_valid_file(
    loud_encoder: EncoderWeights, tmp_path: Path, precision: str
) -> None:
    written = []
    for name in ("first", "second"):
        plan = (
            EncoderPlan.in_float(loud_encoder)
            if precision == "float32"
            else quantized_plan(loud_encoder, precision, tmp_path)
        )
        path = tmp_path / f"{name}.onnx"
        write_encoder(loud_encoder, plan, path)
        written.append(path.read_bytes())
        onnx.checker.check_model(path, full_check=True)
    assert written[0] == written[1]


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_each_product_becomes_one_integer_kernel(
    loud_encoder: EncoderWeights, tmp_path: Path, precision: str
) -> None:
    path, optimized = tmp_path / "model.onnx", tmp_path / "optimized.onnx"
    write_encoder(loud_encoder, quantized_plan(loud_encoder, precision, tmp_path), path)
    open_session(path, optimized)
    nodes = onnx.load(optimized).graph.node
    kinds = Counter(node.op_type for node in nodes)
    # In each of 2 layers 7 products, since the outliers have one before Gelu, and one after it in
    # float; of the 4 inputs of the others 2 are smoothed.
    wanted = {"QGemm": 14, "QuantizeLinear": 8, "DequantizeLinear": 0, "Gemm": 2, "MatMul": 0}
    assert {kind: kinds[kind] for kind in wanted} == wanted
    # What unpacks 4 bits is left for the rows of the word embedding alone, which differ per text.
    unpacking = {"BitwiseAnd", "BitShift", "Sub"}
    assert sum(kinds[kind] for kind in unpacking) == (4 if precision == "int4" else 0)
    layers = [node for node in nodes if any("layer" in value for value in node.output)]
    assert not {node.op_type for node in layers} & {*unpacking, "Cast", "Concat"}
    # The states are scaled in float before a product's input is rounded.
    assert sum(node.op_type == "Mul" for node in layers) == 4


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_weights_can_be_stored_unsigned(
    loud_encoder: EncoderWeights, tmp_path: Path, precision: str
) -> None:
    """What onnxruntime does for processors that clip products of bytes changes nothing."""
    path, optimized = tmp_path / "model.onnx", tmp_path / "optimized.onnx"
    write_encoder(loud_encoder, quantized_plan(loud_encoder, precision, tmp_path), path)
    ids = np.random.default_rng(6).integers(0, 40, (3, 24))
    signed = states_of(open_session(path), ids)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.optimized_model_filepath = str(optimized)
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    assert states_of(session, ids).tobytes() == signed.tobytes()
    assert Counter(node.op_type for node in onnx.load(optimized).graph.node)["QGemm"] == 14


def test_four_bits_are_packed_in_the_file(loud_encoder: EncoderWeights, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_encoder(loud_encoder, quantized_plan(loud_encoder, "int4", tmp_path), path)
    stored = {item.name: item for item in onnx.load(path).graph.initializer}
    plan_bytes = {name: len(item.raw_data) for name, item in stored.items()}
    assert plan_bytes["words.packed"] == 40 * 64 // 2
    assert plan_bytes["layer1.qkv2.packed"] == 64 * 64 // 2
    assert plan_bytes["layer0.down0.packed"] == (256 - OUTLIERS) * 64 // 2
    assert not [name for name in stored if name.startswith("layer") and name.endswith(".values")]


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_products_are_those_of_the_integers(
    loud_encoder: EncoderWeights, numpy_encoder: Any, tmp_path: Path, precision: str
) -> None:
    """Every product, computed from what the graph itself put into it."""
    plan = quantized_plan(loud_encoder, precision, tmp_path)
    path = tmp_path / "model.onnx"
    write_encoder(loud_encoder, plan, path, product_inputs=True)
    names = ["last_hidden_state", *(product_input(key) for key in KEYS)]
    ids = np.random.default_rng(5).integers(0, 40, (1, 24))
    found = dict(zip(names, open_session(path).run(names, {"input_ids": ids}), strict=True))
    encoder = numpy_encoder(loud_encoder)
    values = {key: found[product_input(key)] for key in KEYS}
    values[2, Kind.QKV] = found["last_hidden_state"][0]  # what would go into a third layer

    embedded = (plan.words.to_float()[ids[0]] + plan.positions.to_float()).astype(np.float64)
    expected = encoder.norm(embedded, loud_encoder.embedding_norm)
    assert np.abs(values[0, Kind.QKV] - expected).max() <= 1e-5
    for index, layer in enumerate(loud_encoder.layers):
        integers = {
            kind: integer_product(
                values[index, kind],
                plan.products[index, kind],
                parts_of(loud_encoder, (index, kind)),
            )
            for kind in Kind
        }
        mixed = encoder.attention(*integers[Kind.QKV])
        np.testing.assert_allclose(values[index, Kind.OUTPUT], mixed, rtol=1e-5, atol=1e-5)
        total = values[index, Kind.QKV] + integers[Kind.OUTPUT][0]
        expected = encoder.norm(total, layer.attention_norm)
        assert np.abs(values[index, Kind.UP] - expected).max() <= 1e-5
        active = encoder.gelu(integers[Kind.UP][0])
        np.testing.assert_allclose(values[index, Kind.DOWN], active, rtol=1e-5, atol=1e-5)
        total = values[index, Kind.UP] + integers[Kind.DOWN][0]
        loud = values[index, Kind.DOWN][:, -OUTLIERS:].astype(np.float64)
        assert loud.min() > 255 * plan.products[index, Kind.DOWN].scale, "uint8 cannot hold them"
        outlier_weight = plan.products[index, Kind.DOWN].outlier_weight
        assert outlier_weight is not None
        assert not np.array_equal(outlier_weight, layer.down.weight[-OUTLIERS:])
        in_float = loud @ outlier_weight
        expected = encoder.norm(total + in_float, layer.output_norm)
        assert np.abs(values[index + 1, Kind.QKV] - expected).max() <= 1e-5


def integer_product(
    source: NDArray[np.float32], product: QuantizedProduct, parts: tuple[Linear, ...]
) -> list[NDArray[np.float64]]:
    """What QuantizeLinear, whole numbers and two scales make of a product's input."""
    if product.smoothing is not None:
        source = source * product.smoothing
    zero_point = int(product.zero_point)
    levels = np.clip(np.rint(source / product.scale) + zero_point, 0, 255).astype(np.int64)
    results = []
    for form, part in zip(product.weights, parts, strict=True):
        if isinstance(form, Int4Weights):
            whole = form.values.astype(np.int64)
            weight = whole * np.repeat(form.multipliers.astype(np.int64), 32, axis=0)
        else:
            weight = form.values.astype(np.int64)
        steps = form.scales * product.scale
        bias = np.rint(part.bias / steps).astype(np.int64)
        results.append(((levels - zero_point) @ weight + bias) * steps.astype(np.float64))
    return results
