"""The encoder as an ONNX graph, straight from the weights.

The runtime sends texts of one length in a run, so there is no mask and no padding. What onnxruntime
runs fastest on a CPU decided the operators (docs/int8.md has what was tried): its own
MultiHeadAttention, and the standard Gelu, Add and LayerNormalization. Products are written with
QuantizeLinear and DequantizeLinear, which onnxruntime turns into one integer kernel each, and which
other engines read as well.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from ondol.checkpoint import Architecture
from ondol.convert.encoder_weights import (
    Classifier,
    EncoderWeights,
    LayerWeights,
    Linear,
    Norm,
)
from ondol.convert.integers import (
    BLOCK,
    Int4Rows,
    Int4Weights,
    Int8Rows,
    Int8Weights,
    Matrix,
    Vector,
    pack_int4,
)
from ondol.convert.onnx_graph import CONTRIB, MAX_FILE_BYTES, OnnxGraph
from ondol.errors import ConversionError
from ondol.runtime.onnx_check import VOCAB_ROWS_KEY
from ondol.variants import Variant

#: Names of the graph's input and output, as optimum's exports have them: of an encoder's states
#: and of a reranker's logits.
INPUT, OUTPUT, LOGITS = "input_ids", "last_hidden_state", "logits"


class Kind(Enum):
    """The matrix products of a layer; those of queries, keys and values share their input."""

    QKV = "qkv"
    OUTPUT = "output"
    UP = "up"
    DOWN = "down"


#: Layer, counted from 0, and kind.
ProductKey = tuple[int, Kind]


@dataclass(frozen=True)
class QuantizedProduct:
    """A product whose input becomes uint8 under one scale that calibration has fixed.

    Attributes:
        smoothing: (inputs,) float32 that the input is multiplied by before; the weights are
            divided by it. None for ones. (SmoothQuant: Xiao and others 2022, arXiv 2211.10438.)
        scale: a step of the input.
        zero_point: the uint8 that stands for 0.
        weights: one matrix, or those of queries, keys and values.
        biases: (outputs,) float32 for each of `weights`.
        outlier_weight: (outliers, outputs) float32, of the last input channels, which are so large
            that they would make the step coarse; their rows in `weights` are zeros. Only DOWN has
            them, a multiple of BLOCK if the weights have 4 bits. (LLM.int8(): Dettmers and others
            2022, arXiv 2208.07339.)
    """

    smoothing: Vector | None
    scale: np.float32
    zero_point: np.uint8
    weights: tuple[Int8Weights | Int4Weights, ...]
    biases: tuple[Vector, ...]
    outlier_weight: Matrix | None = None

    @property
    def outliers(self) -> int:
        """How many input channels are multiplied in float32."""
        return 0 if self.outlier_weight is None else len(self.outlier_weight)


@dataclass(frozen=True)
class EncoderPlan:
    """How each part is kept. A product that `products` does not name stays float32."""

    words: Matrix | Int8Rows | Int4Rows
    positions: Matrix | Int8Rows
    products: Mapping[ProductKey, QuantizedProduct]

    @classmethod
    def in_float(cls, weights: EncoderWeights) -> "EncoderPlan":
        """Everything as it is."""
        return cls(weights.words, weights.positions, {})


def write_encoder(
    weights: EncoderWeights, plan: EncoderPlan, path: Path, *, product_inputs: bool = False
) -> None:
    """Write the encoder: input_ids (batch, tokens) int64 to last_hidden_state, float32 of shape
    (batch, tokens, hidden_size); with a classifier, to logits, float32 of shape (batch, labels).

    Args:
        product_inputs: also put out what goes into each product, called `product_input(key)`, as
            (batch x tokens, inputs) float32.
    """
    _EncoderWriter(weights, plan, product_inputs).write(path)


def check_float_size(architecture: Architecture) -> None:
    """Raises ConversionError if the encoder in float32 does not fit into one ONNX file."""
    hidden, wide = architecture.hidden_size, architecture.intermediate_size
    embeddings = (architecture.vocab_rows + architecture.max_tokens) * hidden
    layer = 4 * hidden * hidden + 2 * hidden * wide + 9 * hidden + wide
    size = 4 * (embeddings + architecture.layers * layer)
    if size > MAX_FILE_BYTES:
        raise ConversionError(
            f"{Variant.ONNX_FP32} of {architecture.layers} layers and {architecture.vocab_rows:,} "
            f"rows would have {size:,} bytes; an ONNX file holds at most {MAX_FILE_BYTES:,}. "
            "Keep fewer rows with --vocab-size, or leave the variant out with --variants"
        )


def parts_of(weights: EncoderWeights, key: ProductKey) -> tuple[Linear, ...]:
    """The matrices that a product's input is multiplied by: three for QKV, else one."""
    layer = weights.layers[key[0]]
    match key[1]:
        case Kind.QKV:
            return layer.query, layer.key, layer.value
        case Kind.OUTPUT:
            return (layer.output,)
        case Kind.UP:
            return (layer.up,)
        case Kind.DOWN:
            return (layer.down,)


def product_input(key: ProductKey) -> str:
    """Name of the value that goes into a product."""
    return f"layer{key[0]}.{key[1].value}.input"


class _EncoderWriter:
    def __init__(self, weights: EncoderWeights, plan: EncoderPlan, product_inputs: bool) -> None:
        self._graph = OnnxGraph("encoder")
        self._weights = weights
        self._plan = plan
        self._product_inputs = product_inputs
        self._hidden = weights.words.shape[1]

    def write(self, path: Path) -> None:
        graph = self._graph
        ids = graph.input(INPUT, np.int64, ["batch", "tokens"])
        batch_and_tokens = graph.add("Shape", [ids], "batch_and_tokens")
        hidden = graph.constant("hidden_size", np.array([self._hidden]))
        shape = graph.add("Concat", [batch_and_tokens, hidden], "states_shape", axis=0)
        classifier = self._weights.classifier
        if classifier is None:
            graph.output(OUTPUT, np.float32, ["batch", "tokens", self._hidden])
        else:
            graph.output(LOGITS, np.float32, ["batch", len(classifier.output.bias)])
        states = self._embeddings(ids)
        for index, layer in enumerate(self._weights.layers):
            states = self._layer(index, layer, states, shape)
        if classifier is None:
            graph.add("Reshape", [states, shape], OUTPUT)
        else:
            self._classify(classifier, graph.add("Reshape", [states, shape], "states"))
        graph.save(path, {VOCAB_ROWS_KEY: str(len(self._weights.words))})

    def _classify(self, classifier: Classifier, states: str) -> None:
        """Put out the logits of the first token's state. Its two products stay float32: they are
        one row of the text's many.
        """
        graph = self._graph
        first = graph.add(
            "Gather", [states, graph.constant("first_token", np.array(0))], "first_state", axis=1
        )
        inner = graph.add("Tanh", [self._gemm(first, classifier.dense, "dense")], "dense.active")
        self._gemm(inner, classifier.output, LOGITS)

    def _gemm(self, source: str, part: Linear, name: str) -> str:
        graph = self._graph
        weight = graph.constant(f"{name}.weight", part.weight)
        return graph.add("Gemm", [source, weight, graph.constant(f"{name}.bias", part.bias)], name)

    def _embeddings(self, ids: str) -> str:
        graph = self._graph
        tokens = graph.add("Shape", [ids], "tokens", start=1, end=2)
        first = graph.constant("zero", np.array([0]))
        words, positions = self._plan.words, self._plan.positions
        match words:
            case Int4Rows():
                word_states = self._int4_rows(words, ids)
            case Int8Rows():
                values = graph.constant("words.values", words.values)
                scales = graph.constant("words.scales", words.scales)
                word_states = self._scaled(
                    graph.add("Gather", [values, ids], "words.rows"),
                    graph.add("Gather", [scales, ids], "words.row_scales"),
                    "words",
                )
            case _:
                word_states = graph.add("Gather", [graph.constant("words", words), ids], "words_of")
        if isinstance(positions, Int8Rows):
            values = graph.constant("positions.values", positions.values)
            scales = graph.constant("positions.scales", positions.scales)
            position_states = self._scaled(
                graph.add("Slice", [values, first, tokens], "positions.rows"),
                graph.add("Slice", [scales, first, tokens], "positions.row_scales"),
                "positions",
            )
        else:
            table = graph.constant("positions", positions)
            position_states = graph.add("Slice", [table, first, tokens], "positions_of")
        total = graph.add("Add", [word_states, position_states], "embeddings")
        return self._norm(self._flat(total, "embeddings"), self._weights.embedding_norm, "embed")

    def _scaled(self, values: str, scales: str, name: str) -> str:
        wide = self._graph.add("Cast", [values], f"{name}.wide", to=_FLOAT)
        return self._graph.add("Mul", [wide, scales], f"{name}.scaled")

    def _int4_rows(self, words: Int4Rows, ids: str) -> str:
        graph = self._graph
        packed = graph.constant("words.packed", pack_int4(words.values, axis=1))
        rows = graph.add("Gather", [packed, ids], "words.rows")
        blocks = graph.constant("words.blocks", np.array([0, 0, self._hidden // BLOCK, BLOCK]))
        split = graph.add("Reshape", [self._unpacked(rows, "words", axis=2), blocks], "words.split")
        multipliers = graph.constant("words.multipliers", words.multipliers[:, :, None])
        steps = self._scaled(
            graph.add("Gather", [multipliers, ids], "words.row_multipliers"),
            graph.add(
                "Gather",
                [graph.constant("words.scales", words.scales[:, :, None]), ids],
                "words.row_scales",
            ),
            "words.steps",
        )
        scaled = graph.add("Mul", [split, steps], "words.blocks_scaled")
        whole = graph.constant("words.whole", np.array([0, 0, self._hidden]))
        return graph.add("Reshape", [scaled, whole], "words.scaled")

    def _unpacked(self, packed: str, name: str, axis: int) -> str:
        """The float32 values of what pack_int4 packed."""
        graph = self._graph
        low_bits = graph.constant("low_bits", np.uint8(0x0F))
        high_bits = graph.constant("high_bits", np.uint8(0xF0))
        four = graph.constant("four", np.uint8(4))
        low = graph.add("BitwiseAnd", [packed, low_bits], f"{name}.low")
        # OpenVINO divides where it should shift, and rounds: the low bits must be gone before.
        upper = graph.add("BitwiseAnd", [packed, high_bits], f"{name}.upper")
        high = graph.add("BitShift", [upper, four], f"{name}.high", direction="RIGHT")
        both = graph.add("Concat", [low, high], f"{name}.unsigned", axis=axis)
        wide = graph.add("Cast", [both], f"{name}.unsigned_wide", to=_FLOAT)
        return graph.add("Sub", [wide, graph.constant("eight", np.float32(8))], f"{name}.signed")

    def _layer(self, index: int, layer: LayerWeights, states: str, shape: str) -> str:
        graph, name = self._graph, f"layer{index}"
        heads = []
        for part, product in zip(
            ("query", "key", "value"), self._product((index, Kind.QKV), states), strict=True
        ):
            heads.append(graph.add("Reshape", [product, shape], f"{name}.{part}"))
        attention = graph.add(
            "MultiHeadAttention",
            heads,
            f"{name}.attention",
            domain=CONTRIB,
            num_heads=self._weights.heads,
        )
        flat = self._flat(attention, f"{name}.attention")
        (output,) = self._product((index, Kind.OUTPUT), flat)
        total = graph.add("Add", [states, output], f"{name}.attention_sum")
        states = self._norm(total, layer.attention_norm, f"{name}.attention_norm")
        active, *loud = self._after_gelu(index, states)
        (narrow,) = self._product((index, Kind.DOWN), active)
        residual = self._outliers((index, Kind.DOWN), loud, states)
        total = graph.add("Add", [residual, narrow], f"{name}.sum")
        return self._norm(total, layer.output_norm, f"{name}.norm")

    def _after_gelu(self, index: int, states: str) -> list[str]:
        """The channels that go into DOWN's integers and, if it has any, its outliers.

        Two products make them, where one and a Slice of its result would do: so the first result
        has one reader, and an engine can round it to bytes before it is written to memory.
        """
        graph, name = self._graph, f"layer{index}"
        key = (index, Kind.DOWN)
        inner = len(self._weights.layers[index].up.bias)
        product = self._plan.products.get(key)
        outliers = product.outliers if product is not None else 0
        ends = (inner - outliers, inner) if outliers else (inner,)
        active = [
            graph.add("Gelu", [wide], f"{name}.gelu{number}")
            for number, wide in enumerate(self._product((index, Kind.UP), states, ends))
        ]
        if self._product_inputs:
            self._put_out(key, graph.add("Concat", active, f"{name}.gelu", axis=1), inner)
        return active

    def _product(self, key: ProductKey, source: str, ends: Sequence[int] = ()) -> list[str]:
        """`source @ weight + bias` for each of the product's parts.

        ends: cut a product of one part before these output channels, the last of them the end.
        """
        graph = self._graph
        parts = parts_of(self._weights, key)
        name = f"layer{key[0]}.{key[1].value}"
        if self._product_inputs and key[1] is not Kind.DOWN:
            self._put_out(key, source, len(parts[0].weight))
        cuts = [slice(start, end) for start, end in zip((0, *ends), ends, strict=False)]
        cuts = cuts or [slice(None)]
        product = self._plan.products.get(key)
        if product is None:
            return [
                graph.add(
                    "Gemm",
                    [
                        source,
                        graph.constant(f"{name}{number}.weight", part.weight[:, cut]),
                        graph.constant(f"{name}{number}.bias", part.bias[cut]),
                    ],
                    f"{name}{number}",
                )
                for number, (part, cut) in enumerate(itertools.product(parts, cuts))
            ]
        if product.smoothing is not None:
            smoothing = graph.constant(f"{name}.smoothing", product.smoothing)
            source = graph.add("Mul", [source, smoothing], f"{name}.smoothed")
        scaling = [
            graph.constant(f"{name}.scale", product.scale),
            graph.constant(f"{name}.zero_point", product.zero_point),
        ]
        quantized = graph.add("QuantizeLinear", [source, *scaling], f"{name}.quantized")
        restored = graph.add("DequantizeLinear", [quantized, *scaling], f"{name}.restored")
        inputs = len(parts[0].weight) - product.outliers
        forms = [form.first_inputs(inputs) for form in product.weights]
        whole = zip(forms, product.biases, strict=True)
        return [
            graph.add(
                "Gemm",
                [
                    restored,
                    *self._integer_operands(
                        f"{name}{number}", product.scale, form.outputs(cut), bias[cut]
                    ),
                ],
                f"{name}{number}",
            )
            for number, ((form, bias), cut) in enumerate(itertools.product(whole, cuts))
        ]

    def _integer_operands(
        self, name: str, scale: np.float32, form: Int8Weights | Int4Weights, bias: Vector
    ) -> list[str]:
        """Weight and bias behind DequantizeLinear.

        Zero points are stated although they are zeros: onnxruntime makes one kernel only of a
        product that has them all. Products share none of the weights' zero points: where
        onnxruntime stores weights unsigned, it replaces them, and refuses to do so twice.
        """
        graph = self._graph
        if isinstance(form, Int4Weights):
            values = self._int4_weights(name, form)
        else:
            values = graph.constant(f"{name}.values", form.values)
        weight = graph.add(
            "DequantizeLinear",
            [
                values,
                graph.constant(f"{name}.scales", form.scales),
                graph.constant(f"{name}.zero_points", np.zeros_like(form.scales, np.int8)),
            ],
            f"{name}.weight",
            axis=1,
        )
        steps = form.scales * scale
        wide_bias = graph.add(
            "DequantizeLinear",
            [
                graph.constant(f"{name}.bias_values", np.rint(bias / steps).astype(np.int32)),
                graph.constant(f"{name}.bias_scales", steps),
                graph.constant(f"zeros_int32_{len(steps)}", np.zeros_like(steps, np.int32)),
            ],
            f"{name}.bias",
            axis=0,
        )
        return [weight, wide_bias]

    def _int4_weights(self, name: str, form: Int4Weights) -> str:
        """Nodes over constants alone: onnxruntime computes the int8 values when it loads."""
        graph = self._graph
        inputs, outputs = form.values.shape
        blocks = form.values.reshape(inputs // BLOCK, BLOCK, outputs)
        packed = graph.constant(f"{name}.packed", pack_int4(blocks, axis=1))
        signed = self._unpacked(packed, name, axis=1)
        multipliers = graph.add(
            "Cast",
            [graph.constant(f"{name}.multipliers", form.multipliers[:, None])],
            f"{name}.multipliers_wide",
            to=_FLOAT,
        )
        multiplied = graph.add("Mul", [signed, multipliers], f"{name}.multiplied")
        narrow = graph.add("Cast", [multiplied], f"{name}.narrow", to=_INT8)
        shape = graph.constant(f"inputs{inputs}_outputs{outputs}", np.array([inputs, outputs]))
        return graph.add("Reshape", [narrow, shape], f"{name}.values")

    def _outliers(self, key: ProductKey, source: Sequence[str], residual: str) -> str:
        """`residual` and the share of the product that the outlier channels have, if any."""
        product = self._plan.products.get(key)
        if product is None or product.outlier_weight is None:
            return residual
        graph, name = self._graph, f"layer{key[0]}.{key[1].value}"
        weight = graph.constant(f"{name}.outlier_weight", product.outlier_weight)
        # The sum is part of the product: no further pass over the states.
        return graph.add("Gemm", [*source, weight, residual], f"{name}.outliers_and_residual")

    def _put_out(self, key: ProductKey, source: str, inputs: int) -> None:
        self._graph.add("Identity", [source], product_input(key))
        self._graph.output(product_input(key), np.float32, ["all_tokens", inputs])

    def _norm(self, states: str, norm: Norm, name: str) -> str:
        graph = self._graph
        return graph.add(
            "LayerNormalization",
            [
                states,
                graph.constant(f"{name}.weight", norm.weight),
                graph.constant(f"{name}.bias", norm.bias),
            ],
            f"{name}.normalized",
            axis=-1,
            epsilon=self._weights.epsilon,
        )

    def _flat(self, states: str, name: str) -> str:
        """(batch, tokens, hidden_size) as (batch x tokens, hidden_size)."""
        shape = self._graph.constant("flat_shape", np.array([-1, self._hidden]))
        return self._graph.add("Reshape", [states, shape], f"{name}.flat")


#: onnx.TensorProto.FLOAT and INT8, named here so that this module can be imported without onnx.
_FLOAT, _INT8 = 1, 3
