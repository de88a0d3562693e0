"""The checkpoint's encoder as plain arrays, in the order in which a graph uses them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ondol.checkpoint import Checkpoint
from ondol.task import Task

Matrix = NDArray[np.float32]
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Linear:
    """`x @ weight + bias`: weight (inputs, outputs) float32, bias (outputs,) float32."""

    weight: Matrix
    bias: Vector


@dataclass(frozen=True)
class Norm:
    """Layer normalisation over the last axis: weight and bias (hidden_size,) float32."""

    weight: Vector
    bias: Vector


@dataclass(frozen=True)
class Classifier:
    """A reranker's head: `tanh(state @ dense) @ output`, of the first token's state.

    (transformers, XLMRobertaClassificationHead.) dense: (hidden_size, hidden_size); output:
    (hidden_size, labels).
    """

    dense: Linear
    output: Linear


@dataclass(frozen=True)
class LayerWeights:
    """One layer of BERT, whose normalisations stand after the residual sums."""

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    attention_norm: Norm
    up: Linear
    down: Linear
    output_norm: Norm

    def with_inner_order(self, order: NDArray[np.int64]) -> "LayerWeights":
        """The same layer with the channels between `up` and `down` in another order."""
        return replace(
            self,
            up=Linear(self.up.weight[:, order], self.up.bias[order]),
            down=Linear(self.down.weight[order], self.down.bias),
        )

    def with_value_factors(self, factors: Vector) -> "LayerWeights":
        """The same layer with what goes into `output` multiplied by `factors` (hidden_size,).

        Attention adds up values with weights that know nothing of their channels, so a factor for
        each channel of the values comes out again as a factor of the sum.
        """
        return replace(
            self,
            value=Linear(self.value.weight * factors, self.value.bias * factors),
            output=Linear(self.output.weight / factors[:, None], self.output.bias),
        )


@dataclass(frozen=True)
class EncoderWeights:
    """A BERT encoder.

    Attributes:
        words: (rows, hidden_size) float32.
        positions: (max_tokens, hidden_size) float32; row p is for the p-th token of a text. The
            embedding of segment 0, which every token of a sentence encoder has, is added to it.
        embedding_norm: of the sum of both.
        heads: of the attention.
        epsilon: of every normalisation.
        classifier: of a reranker.
    """

    words: Matrix
    positions: Matrix
    embedding_norm: Norm
    layers: tuple[LayerWeights, ...]
    heads: int
    epsilon: float
    classifier: Classifier | None = None

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "EncoderWeights":
        """Read the weights. Raises CheckpointError if one is missing or of another shape."""
        arrays = {
            name: tensor.float().numpy() for name, tensor in checkpoint.encoder_weights().items()
        }
        architecture = checkpoint.architecture
        positions = arrays["embeddings.position_embeddings.weight"]
        first = architecture.first_position
        segment = arrays["embeddings.token_type_embeddings.weight"][0]
        return cls(
            words=arrays["embeddings.word_embeddings.weight"],
            positions=positions[first : first + architecture.max_tokens] + segment,
            embedding_norm=_norm(arrays, "embeddings.LayerNorm"),
            layers=tuple(
                _layer(arrays, f"encoder.layer.{index}") for index in range(architecture.layers)
            ),
            heads=architecture.heads,
            epsilon=architecture.layer_norm_eps,
            classifier=_classifier(checkpoint) if checkpoint.task is Task.RERANK else None,
        )


def _classifier(checkpoint: Checkpoint) -> Classifier:
    arrays = {name: tensor.numpy() for name, tensor in checkpoint.classifier_weights().items()}
    return Classifier(_linear(arrays, "classifier.dense"), _linear(arrays, "classifier.out_proj"))


def _layer(arrays: Mapping[str, NDArray[np.float32]], prefix: str) -> LayerWeights:
    return LayerWeights(
        query=_linear(arrays, f"{prefix}.attention.self.query"),
        key=_linear(arrays, f"{prefix}.attention.self.key"),
        value=_linear(arrays, f"{prefix}.attention.self.value"),
        output=_linear(arrays, f"{prefix}.attention.output.dense"),
        attention_norm=_norm(arrays, f"{prefix}.attention.output.LayerNorm"),
        up=_linear(arrays, f"{prefix}.intermediate.dense"),
        down=_linear(arrays, f"{prefix}.output.dense"),
        output_norm=_norm(arrays, f"{prefix}.output.LayerNorm"),
    )


def _linear(arrays: Mapping[str, NDArray[np.float32]], name: str) -> Linear:
    # PyTorch keeps (outputs, inputs).
    return Linear(np.ascontiguousarray(arrays[f"{name}.weight"].T), arrays[f"{name}.bias"])


def _norm(arrays: Mapping[str, NDArray[np.float32]], name: str) -> Norm:
    return Norm(arrays[f"{name}.weight"], arrays[f"{name}.bias"])
