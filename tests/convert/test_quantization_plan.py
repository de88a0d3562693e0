"""What the quantizer decides: the function stays, outliers are found, the target is kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

import ondol.convert.quantization_plan as quantization_plan
from ondol.checkpoint import Checkpoint
from ondol.convert.calibration import calibration_sequences, observe
from ondol.convert.encoder_graph import EncoderPlan, Kind, parts_of, write_encoder
from ondol.convert.encoder_weights import EncoderWeights
from ondol.convert.export import Exporter
from ondol.convert.integers import Int4Rows, Int4Weights, Int8Rows, Int8Weights
from ondol.convert.quantization_plan import QuantizedEncoder, Quantizer
from ondol.convert.torch_encoder import load_encoder, reference_vectors
from ondol.errors import ConversionError
from ondol.runtime.int8_products import make_products_exact
from ondol.runtime.onnx_backend import OnnxBackend
from ondol.runtime.pool import finish, pool
from ondol.runtime.similarity import rowwise_cosine
from ondol.runtime.tokenize import TextTokenizer
from ondol.variants import Variant

MakeCheckpoint = Callable[..., Path]
RandomEncoder = Callable[..., EncoderWeights]

KEYS = [(layer, kind) for layer in (0, 1) for kind in Kind]
LOUD = 32  # channels after Gelu that are far larger than the others


def mean_of(states: NDArray[np.float32]) -> NDArray[np.float32]:
    return states.mean(axis=0)


def random_texts(seed: int, count: int) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 40, rng.integers(2, 25)).tolist() for _ in range(count)]


def states_of(path: Path, ids: list[int]) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    make_products_exact(options)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (states,) = session.run(None, {"input_ids": np.array([ids])})
    return states[0]


def make_quantizer(weights: EncoderWeights, work: Path) -> Quantizer:
    observed = observe(weights, random_texts(1, 30), work)
    return Quantizer(weights, observed, judged=random_texts(2, 8), pool=mean_of, work=work)


@pytest.fixture(scope="module")
def loud_weights(random_encoder: RandomEncoder) -> EncoderWeights:
    return random_encoder(seed=5, loud=LOUD)


@pytest.fixture(scope="module")
def quantizer(loud_weights: EncoderWeights, tmp_path_factory: pytest.TempPathFactory) -> Quantizer:
    return make_quantizer(loud_weights, tmp_path_factory.mktemp("quantizer"))


@pytest.fixture(scope="module")
def in_int8(quantizer: Quantizer) -> QuantizedEncoder:
    return quantizer.int8()


@pytest.fixture(scope="module")
def in_int4(quantizer: Quantizer) -> QuantizedEncoder:
    return quantizer.int4()


def test_reordering_and_folding_leave_the_function(
    loud_weights: EncoderWeights, in_int8: QuantizedEncoder, tmp_path: Path
) -> None:
    before, after = tmp_path / "before.onnx", tmp_path / "after.onnx"
    write_encoder(loud_weights, EncoderPlan.in_float(loud_weights), before)
    write_encoder(in_int8.weights, EncoderPlan.in_float(in_int8.weights), after)
    for index in range(2):
        old, new = loud_weights.layers[index], in_int8.weights.layers[index]
        assert not np.array_equal(old.up.bias, new.up.bias), "the inner channels are reordered"
        assert not np.allclose(old.value.weight, new.value.weight), "the values are smoothed"
    for ids in random_texts(3, 6):
        assert np.abs(states_of(before, ids) - states_of(after, ids)).max() <= 1e-5


def test_statistics_follow_the_weights(
    quantizer: Quantizer, in_int8: QuantizedEncoder, tmp_path: Path
) -> None:
    """After reordering and folding, as if the new weights had been watched."""
    found = quantizer._statistics
    for key, expected in observe(in_int8.weights, random_texts(1, 30), tmp_path).items():
        scale = np.abs(expected.sample).max()
        for name in ("low", "high", "sample"):
            difference = getattr(found[key], name) - getattr(expected, name)
            assert np.abs(difference).max() <= 1e-5 * scale
        gram = expected.gram()
        assert np.abs(found[key].gram() - gram).max() <= 1e-5 * np.abs(gram).max()


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_smoothing_leaves_the_product(
    quantizer: Quantizer, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    """What is rounded is the weight divided by what the input is multiplied by."""
    name = f"round_{precision}"
    given: list[tuple[NDArray[np.float32], NDArray[np.float64], int]] = []
    round_weights = getattr(quantization_plan, name)

    def watched(weight: Any, gram: Any, smallest_scales: Any, *, exact: int) -> Any:
        given.append((weight.copy(), gram.copy(), exact))
        return round_weights(weight, gram, smallest_scales, exact=exact)

    monkeypatch.setattr(quantization_plan, name, watched)
    monkeypatch.setattr(quantization_plan, "_TARGET_MEAN", -1.0)
    monkeypatch.setattr(quantization_plan, "_TARGET_SMALLEST", -1.0)
    quantizer.__dict__.pop("_int8_products", None)  # made once; another test may have asked
    monkeypatch.setattr(quantization_plan, "_INT4_TARGET_MEAN", -1.0)
    monkeypatch.setattr(quantization_plan, "_INT4_TARGET_SMALLEST", -1.0)
    encoder = getattr(quantizer, precision)()
    smoothed = set()
    for key in KEYS:
        product = encoder.plan.products[key]
        parts = parts_of(encoder.weights, key)
        factors = product.smoothing
        if factors is None:
            factors = np.ones(len(parts[0].weight), dtype=np.float32)
        else:
            smoothed.add(key[1])
            assert np.isfinite(factors).all()
            assert factors.min() > 0
            assert factors.max() > 1.1 * factors.min()
        for part in parts:
            weight, gram, exact = given.pop(0)
            np.testing.assert_allclose(weight * factors[:, None], part.weight, rtol=1e-6)
            source = quantizer._statistics[key].times(factors).gram()
            np.testing.assert_allclose(gram, source, rtol=1e-6)
            assert exact == product.outliers == (LOUD if key[1] is Kind.DOWN else 0)
    assert not given
    assert smoothed <= {Kind.QKV, Kind.UP}, "output is folded, down has float32 channels"
    stated = {choice.product for choice in encoder.choices if choice.smoothing is not None}
    assert stated - {"output"} == {kind.value for kind in smoothed}


def test_uneven_inputs_are_smoothed(random_encoder: RandomEncoder, tmp_path: Path) -> None:
    weights = random_encoder(seed=5)
    uneven = np.ones(64, dtype=np.float32)
    uneven[[3, 40]] = 25
    for layer in weights.layers:
        layer.attention_norm.weight[:] *= uneven
        layer.up.weight[:] /= uneven[:, None]
    choices = make_quantizer(weights, tmp_path).int8().choices
    strengths = {choice.smoothing for choice in choices if choice.product == "up"}
    assert len(strengths) == 1
    assert strengths <= {0.5, 0.6, 0.7, 0.8}


def test_outliers_are_the_largest_channels(
    loud_weights: EncoderWeights,
    in_int8: QuantizedEncoder,
    in_int4: QuantizedEncoder,
    tmp_path: Path,
) -> None:
    observed = observe(in_int8.weights, random_texts(1, 30), tmp_path)
    for encoder in (in_int8, in_int4):
        outliers = {(c.layer, c.product): c.outliers for c in encoder.choices}
        assert [outliers[layer, "down"] for layer in (0, 1)] == [LOUD, LOUD]
        assert all(count == 0 for key, count in outliers.items() if key[1] != "down")
    for index, layer in enumerate(in_int8.weights.layers):
        statistics = observed[index, Kind.DOWN]
        largest = np.maximum(np.abs(statistics.low), np.abs(statistics.high))
        assert largest[-LOUD:].min() > largest[:-LOUD].max()
        loud = set(loud_weights.layers[index].up.bias[loud_weights.layers[index].up.bias > 30])
        assert set(layer.up.bias[-LOUD:]) == loud
        product = in_int4.plan.products[index, Kind.DOWN]
        # The step is made for the others alone.
        assert 255 * product.scale < largest[-LOUD:].min()
        top, bottom = max(0, statistics.high[:-LOUD].max()), min(0, statistics.low[:-LOUD].min())
        assert product.scale == pytest.approx((top - bottom) / 255, rel=1e-5)


def test_outliers_are_in_no_integer(in_int8: QuantizedEncoder, in_int4: QuantizedEncoder) -> None:
    """uint8 cannot hold them, so integers times what is left of them would be an error."""
    for encoder in (in_int8, in_int4):
        for index in (0, 1):
            product = encoder.plan.products[index, Kind.DOWN]
            (form,) = product.weights
            assert not form.values[-LOUD:].any()
            assert form.values[:-LOUD].any(axis=1).all()
            weight = encoder.weights.layers[index].down.weight
            assert product.outlier_weight is not None
            assert product.outlier_weight.shape == (LOUD, 64)
            difference = product.outlier_weight - weight[-LOUD:]
            assert 0 < np.abs(difference).max() < 0.1 * np.abs(weight).max()


def test_even_channels_have_no_outliers(random_encoder: RandomEncoder, tmp_path: Path) -> None:
    weights = random_encoder(seed=5, loud=LOUD)
    for layer in weights.layers:
        layer.up.bias[:] = 2
    choices = make_quantizer(weights, tmp_path).int8().choices
    assert [c.outliers for c in choices if c.product == "down"] == [0, 0]


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_what_a_plan_holds(
    in_int8: QuantizedEncoder, in_int4: QuantizedEncoder, precision: str
) -> None:
    encoder = {"int8": in_int8, "int4": in_int4}[precision]
    form, words = {"int8": (Int8Weights, Int8Rows), "int4": (Int4Weights, Int4Rows)}[precision]
    assert isinstance(encoder.plan.words, words)
    assert isinstance(encoder.plan.positions, Int8Rows)
    assert list(encoder.plan.products) == KEYS
    assert [(c.layer, Kind(c.product)) for c in encoder.choices] == KEYS
    assert {c.kept_as for c in encoder.choices} == {precision}
    for key, choice in zip(KEYS, encoder.choices, strict=True):
        product = encoder.plan.products[key]
        assert len(product.weights) == (3 if key[1] is Kind.QKV else 1)
        assert all(isinstance(weights, form) for weights in product.weights)
        zero, scale = int(product.zero_point), float(product.scale)
        assert choice.input_low == pytest.approx(-zero * scale, abs=1e-4)
        assert choice.input_high == pytest.approx((255 - zero) * scale, abs=1e-4)
        assert choice.input_low <= 0 <= choice.input_high


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_the_scheme_is_json(
    in_int8: QuantizedEncoder, in_int4: QuantizedEncoder, precision: str
) -> None:
    encoder = {"int8": in_int8, "int4": in_int4}[precision]
    scheme = encoder.scheme()
    assert json.loads(json.dumps(scheme, allow_nan=False)) == scheme
    assert scheme["judged"] == {
        "mean_cosine": round(encoder.judged_mean, 6),
        "smallest_cosine": round(encoder.judged_smallest, 6),
    }
    assert len(scheme["products"]) == len(KEYS)
    assert scheme["products"][-1]["product"] == "down"
    assert scheme["products"][-1]["outliers"] == LOUD


def test_judged_cosines_are_those_of_the_written_file(
    loud_weights: EncoderWeights, in_int8: QuantizedEncoder, tmp_path: Path
) -> None:
    exact, quantized = tmp_path / "exact.onnx", tmp_path / "quantized.onnx"
    write_encoder(loud_weights, EncoderPlan.in_float(loud_weights), exact)
    write_encoder(in_int8.weights, in_int8.plan, quantized)
    texts = random_texts(2, 8)
    expected, found = (
        np.stack([mean_of(states_of(path, ids)) for ids in texts]) for path in (exact, quantized)
    )
    cosines = rowwise_cosine(found, expected)
    assert in_int8.judged_mean == pytest.approx(cosines.mean(), abs=1e-6)
    assert in_int8.judged_smallest == pytest.approx(cosines.min(), abs=1e-6)
    assert in_int8.judged_smallest < 1 - 1e-6


def test_plans_are_judged_by_exact_products(
    quantizer: Quantizer,
    in_int8: QuantizedEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the processor: one that clips them would choose another plan."""
    keys = []

    def noted(options: onnxruntime.SessionOptions) -> None:
        options.add_session_config_entry("session.x64quantprecision", "1")
        keys.append(options.get_session_config_entry("session.x64quantprecision"))

    monkeypatch.setattr(quantization_plan, "make_products_exact", noted)
    again = quantizer.int8()
    assert len(keys) == 1, "the target is met at once"
    assert again.choices == in_int8.choices
    assert again.scheme() == in_int8.scheme()


def test_the_costliest_products_stay_in_float(
    quantizer: Quantizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization_plan, "_TARGET_SMALLEST", -1.0)
    monkeypatch.setattr(quantization_plan, "_TARGET_MEAN", -1.0)
    everything = quantizer.int8()
    assert {choice.kept_as for choice in everything.choices} == {"int8"}
    target = 1 - (1 - everything.judged_mean) / 2
    monkeypatch.setattr(quantization_plan, "_TARGET_MEAN", target)
    some = quantizer.int8()
    assert some.judged_mean >= target > everything.judged_mean
    floats = [choice for choice in some.choices if choice.kept_as == "float32"]
    integers = [choice for choice in some.choices if choice.kept_as == "int8"]
    assert floats
    assert integers
    assert min(c.cost for c in floats) >= max(c.cost for c in integers)
    assert [(c.layer, Kind(c.product)) for c in integers] == list(some.plan.products)
    # No more of them than the target needs: with the cheapest of them it is missed.
    cheapest = min(floats, key=lambda choice: choice.cost)
    key = (cheapest.layer, Kind(cheapest.product))
    back = {**some.plan.products, key: everything.plan.products[key]}
    with_it = EncoderPlan(some.plan.words, some.plan.positions, back)
    assert quantizer._cosines(with_it).mean() < target
    # Each cost is that of the product alone.
    alone = quantizer._cosines(
        EncoderPlan(quantizer._weights.words, quantizer._weights.positions, {key: back[key]})
    )
    assert cheapest.cost == pytest.approx(1 - alone.mean(), abs=1e-6)


@pytest.mark.parametrize("constant", ["_TARGET_MEAN", "_TARGET_SMALLEST"])
def test_a_target_out_of_reach_leaves_no_integer_product(
    quantizer: Quantizer, monkeypatch: pytest.MonkeyPatch, constant: str
) -> None:
    monkeypatch.setattr(quantization_plan, constant, 1.1)
    encoder = quantizer.int8()
    assert not encoder.plan.products
    assert {choice.kept_as for choice in encoder.choices} == {"float32"}
    assert isinstance(encoder.plan.words, Int8Rows)
    assert encoder.judged_mean > 0.999


def test_int4_is_not_held_to_the_target(
    quantizer: Quantizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization_plan, "_TARGET_MEAN", 1.1)
    assert {choice.kept_as for choice in quantizer.int4().choices} == {"int4"}


def test_int4_needs_whole_blocks(random_encoder: RandomEncoder, tmp_path: Path) -> None:
    odd = make_quantizer(random_encoder(hidden_size=48), tmp_path)
    with pytest.raises(ConversionError, match="hidden_size is 48"):
        odd.int4()
    assert odd.int8().judged_mean > 0.99


def test_a_bias_on_an_output_without_weights(random_encoder: RandomEncoder, tmp_path: Path) -> None:
    """Its step must be so large that the bias is an int32 in it."""
    weights = random_encoder(seed=7)
    for layer in weights.layers:
        layer.up.weight[:, 5] = 0
        layer.up.bias[5] = 3.0
    encoder = make_quantizer(weights, tmp_path).int8()
    for index, layer in enumerate(encoder.weights.layers):
        product = encoder.plan.products[index, Kind.UP]
        (form,) = product.weights
        place = int(np.flatnonzero(layer.up.bias == 3.0)[0])
        assert not form.values[:, place].any()
        in_steps = np.abs(layer.up.bias.astype(np.float64)) / (form.scales * product.scale)
        assert in_steps[place] == pytest.approx(2**30, rel=1e-5)
        assert in_steps.max() <= 2**30 * (1 + 1e-5)
    assert encoder.judged_smallest > 0.99


def test_variants_of_a_checkpoint(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the checkpoint to files that the runtime opens, and what the manifest gets to say."""
    # Random weights suffer so much from 4 bits that every product would get 8.
    monkeypatch.setattr(quantization_plan, "_INT4_TARGET_MEAN", -1.0)
    monkeypatch.setattr(quantization_plan, "_INT4_TARGET_SMALLEST", -1.0)
    checkpoint = Checkpoint(make_checkpoint(hidden_size=64, extra_rows=0))
    (tmp_path / "work").mkdir()
    exporter = Exporter(checkpoint, "tiny", [], tmp_path / "work")
    tokenizer = TextTokenizer(checkpoint.directory / "tokenizer.json", max_tokens=24)
    sequences = calibration_sequences(tokenizer, list(checkpoint.prompts.by_name.values()), 24)
    judged = sequences[::8]
    expected = reference_vectors(load_encoder(checkpoint), checkpoint, judged)
    bytes_of, cosines = {}, {}
    for variant in (Variant.ONNX_FP32, Variant.ONNX_INT8, Variant.ONNX_INT4):
        path = tmp_path / f"{variant}.onnx"
        scheme = exporter.write(variant, path)
        assert json.loads(json.dumps(scheme)) == scheme
        assert scheme["max_batch_tokens"] == 512
        bytes_of[variant] = path.stat().st_size
        backend = OnnxBackend(path, threads=1, max_batch_tokens=512)
        assert (backend.vocab_rows, backend.columns) == (17, 64)
        states = [backend.outputs([ids])[0] for ids in judged]
        pooled = [pool(s, checkpoint.pooling) for s in states]
        vectors = np.stack([finish(v, normalize=True, index=i) for i, v in enumerate(pooled)])
        cosines[variant] = found = rowwise_cosine(vectors, expected)
        if variant is Variant.ONNX_FP32:
            assert "products" not in scheme
            continue
        assert scheme["judged"]["mean_cosine"] == pytest.approx(found.mean(), abs=1e-5)
        assert scheme["judged"]["smallest_cosine"] == pytest.approx(found.min(), abs=1e-5)
        kept = {product["kept_as"] for product in scheme["products"]}
        assert variant.precision in kept
        assert len(scheme["products"]) == 8
        if variant is Variant.ONNX_INT8:
            assert found.mean() >= 0.9985 - 1e-5 or kept == {"float32"}
            assert found.min() >= 0.995 - 1e-5 or kept == {"float32"}
    assert not list((tmp_path / "work").iterdir())
    fp32, int8, int4 = bytes_of
    assert bytes_of[int4] < bytes_of[int8] < bytes_of[fp32] / 2
    assert cosines[fp32].min() > 0.9999999
    assert cosines[int4].mean() < cosines[int8].mean() < cosines[fp32].mean()
