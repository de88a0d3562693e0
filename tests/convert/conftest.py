"""Small random encoders, and the encoder in plain numpy that the graphs are held against."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from ondol.convert.encoder_graph import Kind, ProductKey
from ondol.convert.encoder_weights import EncoderWeights, LayerWeights, Linear, Norm

RandomEncoder = Callable[..., EncoderWeights]
Array = NDArray[np.float64]


@pytest.fixture(scope="session")
def random_encoder() -> RandomEncoder:
    """Make a random encoder of two layers, 40 rows, 24 positions and 4 heads.

    Keyword arguments: seed, hidden_size, loud (so many channels after Gelu are far larger than the
    others, which are about as large as each other).
    """
    return _random_encoder


def _random_encoder(*, seed: int = 0, hidden_size: int = 64, loud: int = 0) -> EncoderWeights:
    rng = np.random.default_rng(seed)
    inner = 4 * hidden_size

    def normal(*shape: int, deviation: float) -> NDArray[np.float32]:
        return (deviation * rng.standard_normal(shape)).astype(np.float32)

    def linear(inputs: int, outputs: int) -> Linear:
        weight = normal(inputs, outputs, deviation=1.5 / math.sqrt(inputs))
        return Linear(weight, normal(outputs, deviation=0.1))

    def norm() -> Norm:
        return Norm(1 + normal(hidden_size, deviation=0.2), normal(hidden_size, deviation=0.1))

    def layer() -> LayerWeights:
        up, down = linear(hidden_size, inner), linear(inner, hidden_size)
        if loud:
            up.weight[:] *= 0.03
            up.bias[:] = 2
            channels = rng.choice(inner, loud, replace=False)
            up.bias[channels] = rng.uniform(40, 60, loud)
            down.weight[channels] *= 0.05
        return LayerWeights(
            query=linear(hidden_size, hidden_size),
            key=linear(hidden_size, hidden_size),
            value=linear(hidden_size, hidden_size),
            output=linear(hidden_size, hidden_size),
            attention_norm=norm(),
            up=up,
            down=down,
            output_norm=norm(),
        )

    return EncoderWeights(
        words=normal(40, hidden_size, deviation=1),
        positions=normal(24, hidden_size, deviation=0.5),
        embedding_norm=norm(),
        layers=(layer(), layer()),
        heads=4,
        epsilon=1e-12,
    )


class NumpyEncoder:
    """The encoder step by step, in float64, for one text."""

    def __init__(self, weights: EncoderWeights) -> None:
        self._weights = weights

    def run(self, ids: NDArray[np.int64]) -> tuple[Mapping[ProductKey, Array], Array]:
        """The input of every product and the last states, for token ids (tokens,)."""
        weights = self._weights
        inputs: dict[ProductKey, Array] = {}
        words = weights.words[ids].astype(np.float64)
        states = self.norm(words + weights.positions[: len(ids)], weights.embedding_norm)
        for index, layer in enumerate(weights.layers):
            inputs[index, Kind.QKV] = states
            projections = (layer.query, layer.key, layer.value)
            mixed = self.attention(*(self.linear(states, x) for x in projections))
            inputs[index, Kind.OUTPUT] = mixed
            states = self.norm(states + self.linear(mixed, layer.output), layer.attention_norm)
            inputs[index, Kind.UP] = states
            inputs[index, Kind.DOWN] = active = self.gelu(self.linear(states, layer.up))
            states = self.norm(states + self.linear(active, layer.down), layer.output_norm)
        return inputs, states

    def attention(self, query: Array, key: Array, value: Array) -> Array:
        tokens, hidden = query.shape
        heads = self._weights.heads
        size = hidden // heads
        query, key, value = (
            part.reshape(tokens, heads, size).swapaxes(0, 1) for part in (query, key, value)
        )
        logits = query @ key.swapaxes(1, 2) / math.sqrt(size)  # (heads, tokens, tokens)
        shares = np.exp(logits - logits.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        return (shares @ value).swapaxes(0, 1).reshape(tokens, hidden)

    def norm(self, states: Array, norm: Norm) -> Array:
        centred = states - states.mean(axis=1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + self._weights.epsilon)
        return centred / deviation * norm.weight + norm.bias

    @staticmethod
    def linear(states: Array, linear: Linear) -> Array:
        return states @ linear.weight.astype(np.float64) + linear.bias

    @staticmethod
    def gelu(states: Array) -> Array:
        return states * (1 + np.vectorize(math.erf)(states / math.sqrt(2))) / 2


@pytest.fixture(scope="session")
def numpy_encoder() -> type[NumpyEncoder]:
    """The class of encoders in plain numpy."""
    return NumpyEncoder
