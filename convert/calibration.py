"""What goes into every product on calibration text, by which the scales are chosen.

The text is in the package: the lines, written for this project, on which a pruned tokenizer is
verified, put together to inputs of every length up to the model's longest. It is neither the
reference set on which variants are measured nor any evaluation set.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tqdm import tqdm

from ondol.convert.encoder_graph import (
    INPUT,
    EncoderPlan,
    Kind,
    ProductKey,
    product_input,
    write_encoder,
)
from ondol.convert.encoder_weights import EncoderWeights
from ondol.runtime.tokenize import TextTokenizer
from ondol.vocab_prune.verify import verification_lines

_SEED = 20261124
_LANGUAGES = ("ko", "en")
#: Tokens of inputs, up to the model's longest; 2 is the empty text.
_LENGTHS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
#: Inputs of each length: many short ones and few long ones, about as many tokens of each.
_TOKENS_PER_LENGTH = 2048
_SMALLEST_COUNT, _LARGEST_COUNT = 4, 32
#: The query of a pair is the beginning of a line; so many different ones are taken.
_QUERY_TOKENS, _QUERIES = 12, 32
#: Rows that are added to the gram matrix at once: it is large, and most texts are short.
_GRAM_ROWS = 512
#: Rows of an input that are kept to try choices on.
_SAMPLE_ROWS = 2048


@dataclass(frozen=True)
class InputStatistics:
    """The inputs of one product over all calibration tokens.

    Attributes:
        low, high: (inputs,) float32, smallest and largest value of each channel.
        sample: (rows, inputs) float32, some of the rows.
        observed_gram: (inputs, inputs) float32, sum of the outer products of the rows with
            themselves, as they were observed. By far the largest part, so that there is only one.
        order: (inputs,) int64, the observed channel in each place.
        factors: (inputs,) float32, what each place was multiplied by.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    sample: NDArray[np.float32]
    observed_gram: NDArray[np.float32]
    order: NDArray[np.int64]
    factors: NDArray[np.float32]

    def gram(self) -> NDArray[np.float64]:
        """(inputs, inputs), sum of the outer products of the rows with themselves; made anew."""
        gram = self.observed_gram[np.ix_(self.order, self.order)].astype(np.float64)
        gram *= self.factors
        gram *= self.factors[:, None]
        return gram

    def in_order(self, order: NDArray[np.int64]) -> "InputStatistics":
        """Of an input with its channels in another order."""
        return replace(
            self,
            low=self.low[order],
            high=self.high[order],
            sample=self.sample[:, order],
            order=self.order[order],
            factors=self.factors[order],
        )

    def times(self, factors: NDArray[np.float32]) -> "InputStatistics":
        """Of an input with its channels multiplied by `factors` (inputs,), none below 0."""
        return replace(
            self,
            low=self.low * factors,
            high=self.high * factors,
            sample=self.sample * factors,
            factors=self.factors * factors,
        )


def calibration_sequences(
    tokenizer: TextTokenizer, prompts: Sequence[str], max_tokens: int, *, pairs: bool = False
) -> list[list[int]]:
    """Token ids of calibration text: Korean, English and both, of all lengths, in a fixed order.

    Args:
        prompts: put before the texts in turn; empty for none.
        pairs: put the beginning of another line, as a query, before each, as XLM-R joins two texts.
    """
    rng = random.Random(_SEED)
    lines = verification_lines()
    # Ids without `<s>` and `</s>`, which are the same for every text.
    bodies = {
        language: [ids[1:-1] for ids in tokenizer(lines[language]).ids] for language in _LANGUAGES
    }
    openings = [ids[1:-1] for ids in tokenizer(prompts).ids] or [()]
    (empty,) = tokenizer([""]).ids
    if pairs:
        # <s> query </s></s> document </s>
        lines_of_both = [ids for body in bodies.values() for ids in body]
        openings = [
            (*ids[:_QUERY_TOKENS], empty[-1], empty[-1])
            for ids in rng.sample(lines_of_both, _QUERIES)
        ]
    pools = [*bodies.values(), [ids for body in bodies.values() for ids in body]]
    sequences: list[list[int]] = []
    for length in sorted({min(length, max_tokens) for length in _LENGTHS}):
        count = _TOKENS_PER_LENGTH // length
        count = min(max(count, _SMALLEST_COUNT), _LARGEST_COUNT)
        for number in range(count if length > len(empty) else 1):
            body = list(openings[number // len(pools) % len(openings)])
            while len(body) < length:
                body += rng.choice(pools[number % len(pools)])
            sequences.append([empty[0], *body[: length - 2], empty[-1]])
    return sequences


def observe(
    weights: EncoderWeights, sequences: Sequence[Sequence[int]], work: Path
) -> Mapping[ProductKey, InputStatistics]:
    """Run the float32 encoder over `sequences` and watch the input of every product.

    `work` is a directory for a temporary file.
    """
    # A whole vocabulary would cost memory, and large models with one exceed an ONNX file's 2 GiB.
    used, numbered = rows_of(sequences)
    weights = replace(weights, words=weights.words[used])
    path = work / "calibration.onnx"
    write_encoder(weights, EncoderPlan.in_float(weights), path, product_inputs=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    path.unlink()
    keys = [(layer, kind) for layer in range(len(weights.layers)) for kind in Kind]
    names = [product_input(key) for key in keys]
    stride = max(1, sum(len(ids) for ids in numbered) // _SAMPLE_ROWS)
    watched: dict[ProductKey, _Watch] = {}
    for ids in tqdm(numbered, desc="calibrating", unit="text", disable=None):
        values = session.run(names, {INPUT: ids[None]})
        for key, rows in zip(keys, values, strict=True):
            watched.setdefault(key, _Watch(rows.shape[1], stride)).add(rows)
    return {key: watch.statistics() for key, watch in watched.items()}


def rows_of(
    sequences: Sequence[Sequence[int]],
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """The rows of the word embedding that are used, and the sequences counted in them."""
    flat = np.concatenate([np.asarray(ids, dtype=np.int64) for ids in sequences])
    used, places = np.unique(flat, return_inverse=True)
    ends = np.cumsum([len(ids) for ids in sequences])[:-1]
    return used, np.split(places.astype(np.int64), ends)


class _Watch:
    """Statistics of one input, row by row."""

    def __init__(self, inputs: int, stride: int) -> None:
        self._low = np.full(inputs, np.inf, dtype=np.float32)
        self._high = np.full(inputs, -np.inf, dtype=np.float32)
        self._gram = np.zeros((inputs, inputs), dtype=np.float32)
        self._sample: list[NDArray[np.float32]] = []
        self._waiting: list[NDArray[np.float32]] = []
        self._stride = stride
        self._seen = 0

    def add(self, rows: NDArray[np.float32]) -> None:
        np.minimum(self._low, rows.min(axis=0), out=self._low)
        np.maximum(self._high, rows.max(axis=0), out=self._high)
        # A copy: a view would keep all rows of all texts.
        self._sample.append(rows[-self._seen % self._stride :: self._stride].copy())
        self._seen += len(rows)
        self._waiting.append(rows)
        if sum(len(some) for some in self._waiting) >= _GRAM_ROWS:
            self._add_up()

    def _add_up(self) -> None:
        rows = np.concatenate(self._waiting, axis=0)
        self._waiting.clear()
        self._gram += rows.T @ rows

    def statistics(self) -> InputStatistics:
        if self._waiting:
            self._add_up()
        return InputStatistics(
            low=self._low,
            high=self._high,
            sample=np.concatenate(self._sample, axis=0),
            observed_gram=self._gram,
            order=np.arange(len(self._low)),
            factors=np.ones_like(self._low),
        )
