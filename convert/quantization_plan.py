"""Which numbers become integers, and how: chosen on calibration text, judged on text beside it.

Three things make static 8-bit products exact enough. Smoothing moves what is uneven between the
input channels of a product into its weights, with one strength for each kind of product. What is
left uneven, the few huge channels after Gelu, is multiplied in float32. And weights are rounded
so that the error of the product is small (`ondol.convert.rounding`). Where that is not enough for
a checkpoint, the products that cost most stay in float32 until it is.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tqdm import tqdm

from ondol.convert.calibration import InputStatistics, rows_of
from ondol.convert.encoder_graph import (
    INPUT,
    EncoderPlan,
    Kind,
    ProductKey,
    QuantizedProduct,
    parts_of,
    write_encoder,
)
from ondol.convert.encoder_weights import EncoderWeights
from ondol.convert.integers import BLOCK, INT8_MAX, Int4Rows, Int8Rows, Matrix, Vector
from ondol.convert.rounding import round_int4, round_int8
from ondol.runtime.int8_products import make_products_exact

#: Smoothing strengths tried for a kind of product; None leaves the pass over the states out.
_STRENGTHS = (None, 0.5, 0.6, 0.7, 0.8)
#: A strength has to take this share off the error to be worth its pass.
_WORTH_A_PASS = 0.1
#: Numbers of float32 channels tried for the product after Gelu: whole blocks, as the rest of its
#: inputs may have 4-bit weights.
_OUTLIERS = (0, BLOCK)
#: The smallest number is taken whose error is at most this many times that of the largest.
_OUTLIERS_ENOUGH = 1.25
#: On the judged text the whole plan has to reach this mean and this smallest cosine.
_TARGET_MEAN, _TARGET_SMALLEST = 0.9985, 0.995
#: The same for 4 bits: about what gguf-q5_0 has on the reference texts.
_INT4_TARGET_MEAN, _INT4_TARGET_SMALLEST = 0.99, 0.98
#: A bias is an int32 in steps of input and weight; this leaves room for the sum it is added to.
_LARGEST_BIAS = 2**30


@dataclass(frozen=True)
class ProductChoice:
    """What was chosen for one product, for the manifest.

    Attributes:
        layer: counted from 0.
        product: "qkv", "output", "up" or "down".
        kept_as: "int8", "int4" or "float32".
        smoothing: strength, or None.
        outliers: input channels that are multiplied in float32.
        input_low, input_high: the range of the input that uint8 spans, after smoothing.
        cost: 1 - mean cosine on the judged text with this product alone quantized; None where the
            target was met with all of them, so that nobody asked.
    """

    layer: int
    product: str
    kept_as: str
    smoothing: float | None
    outliers: int
    input_low: float
    input_high: float
    cost: float | None


@dataclass(frozen=True)
class QuantizedEncoder:
    """A plan with the weights that it is for, and what was found out on the way.

    Attributes:
        weights: as the checkpoint's, with inner channels in another order.
        plan: how each part is kept.
        choices: one for each product, in the order of the layers.
        judged_mean, judged_smallest: cosine to the float32 encoder on the judged text.
    """

    weights: EncoderWeights
    plan: EncoderPlan
    choices: tuple[ProductChoice, ...]
    judged_mean: float
    judged_smallest: float

    def scheme(self) -> Mapping[str, Any]:
        """For the manifest."""
        return {
            "products": [asdict(choice) for choice in self.choices],
            "judged": {
                "mean_cosine": round(self.judged_mean, 6),
                "smallest_cosine": round(self.judged_smallest, 6),
            },
        }


class Quantizer:
    """Makes plans for one encoder.

    Args:
        weights: of the checkpoint.
        statistics: of every product's input on calibration text.
        judged: token ids of the texts on which plans are judged, none of them observed.
        pool: token states (tokens, hidden_size) to the vector that is compared.
        work: directory for temporary files.
    """

    def __init__(
        self,
        weights: EncoderWeights,
        statistics: Mapping[ProductKey, InputStatistics],
        judged: Sequence[Sequence[int]],
        pool: Callable[[NDArray[np.float32]], Vector],
        work: Path,
    ) -> None:
        self._judged = judged
        self._pool = pool
        self._file = work / "judged.onnx"
        self._weights, self._statistics = _outliers_last(weights, statistics)
        self._strengths = {kind: self._best_strength(kind) for kind in Kind}
        self._fold_output_smoothing()
        self._outliers = {
            (layer, Kind.DOWN): self._enough_outliers((layer, Kind.DOWN))
            for layer in range(len(weights.layers))
        }
        self._exact = self._vectors(EncoderPlan.in_float(self._weights))

    def int8(self) -> QuantizedEncoder:
        """Everything in 8 bits but for the products that the target needs in float32."""
        return self._to_target(
            self._int8_products,
            {},
            Int8Rows.of(self._weights.words),
            "int8",
            (_TARGET_MEAN, _TARGET_SMALLEST),
        )

    def int4(self) -> QuantizedEncoder:
        """Weights and word embeddings in 4 bits but for the products that need 8.

        Raises ConversionError for sizes that are no multiple of a block.
        """
        words = Int4Rows.of(self._weights.words)
        return self._to_target(
            self._products("int4"),
            self._int8_products,
            words,
            "int4",
            (_INT4_TARGET_MEAN, _INT4_TARGET_SMALLEST),
        )

    @cached_property
    def _int8_products(self) -> Mapping[ProductKey, QuantizedProduct]:
        return self._products("int8")

    def _products(self, precision: str) -> Mapping[ProductKey, QuantizedProduct]:
        return {
            key: self._product(key, precision)
            for key in tqdm(self._statistics, desc=f"rounding to {precision}", disable=None)
        }

    def _to_target(
        self,
        products: Mapping[ProductKey, QuantizedProduct],
        finer: Mapping[ProductKey, QuantizedProduct],
        words: Int8Rows | Int4Rows,
        precision: str,
        target: tuple[float, float],
    ) -> QuantizedEncoder:
        """Exchange the costliest products until mean and smallest cosine reach the target.

        `finer` has the int8 products that take their place; where it has none, float32 does.
        """
        positions = Int8Rows.of(self._weights.positions)

        def exchanged(keys: Sequence[ProductKey]) -> EncoderPlan:
            used = {key: product for key, product in products.items() if key not in keys}
            return EncoderPlan(
                words, positions, used | {key: finer[key] for key in keys if key in finer}
            )

        def judge(keys: Sequence[ProductKey]) -> tuple[float, float]:
            cosines = self._cosines(exchanged(keys))
            return float(cosines.mean()), float(cosines.min())

        def enough(found: tuple[float, float]) -> bool:
            return found[0] >= target[0] and found[1] >= target[1]

        costs: dict[ProductKey, float] = {}
        ranked: list[ProductKey] = []
        judged = judge(ranked)
        if not enough(judged):
            costs = self._costs(products, precision)
            order = sorted(products, key=lambda key: (-costs[key], key[0], key[1].value))
            # More exchanges give closer vectors, so that the fewest that suffice can be searched
            # for: a run over the judged text takes minutes for the largest models.
            fewest = bisect_left(
                range(1, len(order)), True, key=lambda count: enough(judge(order[:count]))
            )
            ranked = order[: fewest + 1]
            judged = judge(ranked)
        kept_as = dict.fromkeys(products, precision)
        kept_as |= {key: "int8" if key in finer else "float32" for key in ranked}
        choices = tuple(
            self._choice(key, product, kept_as[key], costs.get(key))
            for key, product in products.items()
        )
        return QuantizedEncoder(self._weights, exchanged(ranked), choices, *judged)

    def _costs(
        self, products: Mapping[ProductKey, QuantizedProduct], precision: str
    ) -> dict[ProductKey, float]:
        """What each product costs alone: 1 - mean cosine."""
        return {
            key: 1 - float(self._cosines(self._plan({key: product})).mean())
            for key, product in tqdm(
                products.items(), desc=f"judging {precision} products", disable=None
            )
        }

    def _choice(
        self, key: ProductKey, product: QuantizedProduct, kept_as: str, cost: float | None
    ) -> ProductChoice:
        zero, scale = int(product.zero_point), float(product.scale)
        return ProductChoice(
            layer=key[0],
            product=key[1].value,
            kept_as=kept_as,
            smoothing=self._strengths[key[1]],
            outliers=product.outliers,
            input_low=round(-zero * scale, 4),
            input_high=round((255 - zero) * scale, 4),
            cost=None if cost is None else round(cost, 7),
        )

    def _product(self, key: ProductKey, precision: str) -> QuantizedProduct:
        statistics = self._statistics[key]
        parts = parts_of(self._weights, key)
        strength = None if key[1] is Kind.OUTPUT else self._strengths[key[1]]  # folded already
        factors = self._factors(key, strength)
        outliers = self._outliers.get(key, 0)
        used = slice(0, len(factors) - outliers)
        smoothed = statistics.times(factors)
        scale, zero_point = _input_step(smoothed.low[used], smoothed.high[used])
        gram = smoothed.gram()
        round_weights = round_int8 if precision == "int8" else round_int4
        source = smoothed.sample
        through = _through_uint8(source[:, used], scale, zero_point)
        weights, biases, exact = [], [], []
        for part in parts:
            weight: Matrix = part.weight / factors[:, None]
            bias_scales = np.abs(part.bias) / (scale * _LARGEST_BIAS)
            smallest: Vector = np.maximum(bias_scales, np.finfo(np.float32).tiny, dtype=np.float32)
            rounded, left = round_weights(weight, gram, smallest, exact=outliers)
            result = through @ rounded.to_float()[used] + source[:, used.stop :] @ left
            # What all tokens have in common of the error does not average out over a text.
            error = (source @ weight - result).mean(axis=0)
            weights.append(rounded)
            biases.append((part.bias + error).astype(np.float32))
            exact.append(left)
        return QuantizedProduct(
            smoothing=None if strength is None else factors,
            scale=scale,
            zero_point=zero_point,
            weights=tuple(weights),
            biases=tuple(biases),
            outlier_weight=np.concatenate(exact, axis=1) if outliers else None,
        )

    def _fold_output_smoothing(self) -> None:
        """Smooth the input of the attention's output in the values, where it costs nothing."""
        layers = list(self._weights.layers)
        statistics = dict(self._statistics)
        for index, layer in enumerate(layers):
            key = (index, Kind.OUTPUT)
            factors = self._factors(key, self._strengths[Kind.OUTPUT])
            layers[index] = layer.with_value_factors(factors)
            statistics[key] = statistics[key].times(factors)
        self._weights = replace(self._weights, layers=tuple(layers))
        self._statistics = statistics

    def _factors(self, key: ProductKey, strength: float | None) -> Vector:
        """What the input's channels are multiplied by (arXiv 2211.10438, equation 4)."""
        statistics = self._statistics[key]
        if strength is None:
            return np.ones(len(statistics.low), dtype=np.float32)
        largest = np.maximum(np.abs(statistics.low), np.abs(statistics.high))
        weight = np.concatenate([part.weight for part in parts_of(self._weights, key)], axis=1)
        largest_weight = np.abs(weight).max(axis=1)
        # Channels that are never used, or whose weights are zeros, must not become infinite.
        largest = np.maximum(largest, largest.max() * 1e-4 or 1)
        largest_weight = np.maximum(largest_weight, largest_weight.max() * 1e-4 or 1)
        factors: Vector = (largest_weight ** (1 - strength) / largest**strength).astype(np.float32)
        return factors

    def _best_strength(self, kind: Kind) -> float | None:
        """By the relative error of the products over all layers."""
        if kind is Kind.DOWN:  # its answer is the channels in float32
            return None
        errors = {
            strength: sum(
                self._product_error((layer, kind), self._factors((layer, kind), strength))
                for layer in range(len(self._weights.layers))
            )
            for strength in _STRENGTHS
        }
        best = min((s for s in _STRENGTHS if s is not None), key=lambda strength: errors[strength])
        return best if errors[best] < (1 - _WORTH_A_PASS) * errors[None] else None

    def _product_error(self, key: ProductKey, factors: Vector) -> float:
        """Squared error of a product with plainly rounded integers, as a share of its square."""
        statistics = self._statistics[key]
        weight = np.concatenate([part.weight for part in parts_of(self._weights, key)], axis=1)
        exact = statistics.sample @ weight
        step = _input_step(statistics.low * factors, statistics.high * factors)
        source = _through_uint8(statistics.sample * factors, *step)
        smoothed = weight / factors[:, None]
        scales = np.maximum(np.abs(smoothed).max(axis=0) / INT8_MAX, np.finfo(np.float32).tiny)
        rounded = np.rint(smoothed / scales) * scales
        error = source @ rounded - exact
        size = float(np.square(exact).sum())
        return float(np.square(error).sum()) / size if size else 0.0

    def _enough_outliers(self, key: ProductKey) -> int:
        statistics = self._statistics[key]
        (part,) = parts_of(self._weights, key)
        errors = {}
        for count in (count for count in _OUTLIERS if count < len(part.weight)):
            used = slice(0, len(part.weight) - count)
            step = _input_step(statistics.low[used], statistics.high[used])
            sample = statistics.sample[:, used]
            difference = _through_uint8(sample, *step) - sample
            errors[count] = float(np.square(difference @ part.weight[used]).sum())
        bound = _OUTLIERS_ENOUGH * errors[max(errors)]
        return min(count for count, error in errors.items() if error <= bound)

    def _plan(self, products: Mapping[ProductKey, QuantizedProduct]) -> EncoderPlan:
        return EncoderPlan(self._weights.words, self._weights.positions, products)

    def _cosines(self, plan: EncoderPlan) -> NDArray[np.float64]:
        cosines: NDArray[np.float64] = (self._vectors(plan) * self._exact).sum(axis=1)
        return cosines

    def _vectors(self, plan: EncoderPlan) -> NDArray[np.float64]:
        """(texts, hidden_size) float64 of norm 1, by the graph itself."""
        used, sequences = rows_of(self._judged)
        small = replace(plan, words=_select(plan.words, used))
        weights = replace(self._weights, words=self._weights.words[used])
        write_encoder(weights, small, self._file)
        options = onnxruntime.SessionOptions()
        make_products_exact(options)
        session = onnxruntime.InferenceSession(
            self._file, options, providers=["CPUExecutionProvider"]
        )
        self._file.unlink()
        vectors = []
        for ids in sequences:
            (states,) = session.run(None, {INPUT: ids[None]})
            vector = self._pool(states[0]).astype(np.float64)
            vectors.append(vector / np.linalg.norm(vector))
        return np.stack(vectors)


def _outliers_last(
    weights: EncoderWeights, statistics: Mapping[ProductKey, InputStatistics]
) -> tuple[EncoderWeights, Mapping[ProductKey, InputStatistics]]:
    """Both with the channels after Gelu in the order of their largest value."""
    layers = list(weights.layers)
    sorted_statistics = dict(statistics)
    for index, layer in enumerate(layers):
        key = (index, Kind.DOWN)
        old = statistics[key]
        order = np.argsort(np.maximum(np.abs(old.low), np.abs(old.high)), kind="stable")
        layers[index] = layer.with_inner_order(order)
        sorted_statistics[key] = old.in_order(order)
    return replace(weights, layers=tuple(layers)), sorted_statistics


def _input_step(low: Vector, high: Vector) -> tuple[np.float32, np.uint8]:
    """Scale and zero point with which uint8 spans the range of all channels, and 0 exactly."""
    bottom, top = min(0.0, float(low.min())), max(0.0, float(high.max()))
    scale = np.float32((top - bottom) / 255 or 1.0)
    return scale, np.uint8(np.rint(-bottom / scale))


def _through_uint8(values: Matrix, scale: np.float32, zero_point: np.uint8) -> Matrix:
    """What QuantizeLinear and DequantizeLinear make of values."""
    zero = np.float32(zero_point)
    result: Matrix = (np.clip(np.rint(values / scale) + zero, 0, 255) - zero) * scale
    return result


def _select(
    words: Matrix | Int8Rows | Int4Rows, rows: NDArray[np.int64]
) -> Matrix | Int8Rows | Int4Rows:
    match words:
        case Int8Rows():
            return Int8Rows(words.values[rows], words.scales[rows])
        case Int4Rows():
            return Int4Rows(words.values[rows], words.multipliers[rows], words.scales[rows])
        case _:
            return words[rows]
