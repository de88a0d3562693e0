"""Every output as vectors for the scoring, in the order of its own comparison."""

from typing import Any

import numpy as np
import pytest
from documents import retrieval
from output_precision import DIMENSIONS, Output, all_outputs, clipped, mean_cosine
from quality.comparison import as_record, compare
from quality.sets import Column, RetrievalSet, Texts

from ondol.precision import Precision
from ondol.runtime.quantize import OutputRanges, quantize
from ondol.runtime.similarity import cosine_similarity, rowwise_cosine

RANDOM = np.random.default_rng(23)


def unit(rows: int, dimension: int = 384) -> np.ndarray:
    vectors = RANDOM.standard_normal((rows, dimension)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


VECTORS = unit(40)
RANGES = OutputRanges(unit(200))


def test_bits_are_ordered_by_hamming_distance() -> None:
    found = Output(12, Precision.UBINARY).comparable(VECTORS, RANGES)
    cosines = cosine_similarity(found[:1], found)[0]
    bits = quantize(VECTORS[:, :12], Precision.UBINARY, None)
    distances = np.unpackbits(bits[0] ^ bits, axis=1).sum(axis=1)
    np.testing.assert_allclose(cosines, 1 - 2 * distances / 12, atol=1e-6)


def test_int8_is_close_to_float32_and_the_integers_are_those_of_the_runtime() -> None:
    floats = Output(64, Precision.FLOAT32).comparable(VECTORS, RANGES)
    np.testing.assert_allclose(np.linalg.norm(floats, axis=1), 1, atol=1e-6)
    numbers = Output(64, Precision.INT8).comparable(VECTORS, RANGES)
    assert rowwise_cosine(numbers, floats).min() > 0.99
    integers = Output(64, Precision.INT8, as_integers=True).comparable(VECTORS, RANGES)
    expected = quantize(floats, Precision.INT8, RANGES.of(64, normalize=True))
    assert np.array_equal(integers, expected)


def test_the_whole_float32_vectors_come_first_and_bytes_add_up() -> None:
    outputs = all_outputs(384)
    assert outputs[0] == Output(384, Precision.FLOAT32)
    assert len({one.name for one in outputs}) == len(outputs) == 4 * (1 + len(DIMENSIONS))
    sizes = {one.name: one.bytes for one in outputs}
    assert (sizes["384 float32"], sizes["256 int8"], sizes["64 ubinary"]) == (1536, 256, 8)


def test_clipped_and_mean_cosine_by_hand() -> None:
    ranges = OutputRanges(np.array([[0.6, 0.8], [0.8, 0.6]], dtype=np.float32))
    rows = np.array([[1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6]], dtype=np.float32)
    assert clipped({"t": rows}, ranges) == {"t": 0.5}
    assert mean_cosine(rows[:2]) == pytest.approx(0)
    assert mean_cosine(rows[1:3]) == pytest.approx(0.8)


def test_the_table_has_a_row_per_output(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = Texts("t", tuple(map(str, range(40))))
    queries, documents = Column(texts, np.arange(10)), Column(texts, np.arange(10, 40))
    one = RetrievalSet("korquad", queries, documents, tuple({n: 1} for n in range(10)))
    outputs = all_outputs(384)
    made = ((o.name, {"t": o.comparable(VECTORS, RANGES)}) for o in outputs)
    results: dict[str, Any] = {
        "model": "made up",
        "calibration_texts": 200,
        "clipped": {"t": 0.01},
        "mean_cosine": {"t": 0.25},
        "bytes": {o.name: o.bytes for o in outputs},
        **as_record([one], dict(compare([one], made)), {}),
    }
    monkeypatch.setattr(retrieval, "results", lambda name: results)
    table = retrieval.output_precision().splitlines()
    assert table[0] == "| elements | precision | bytes | KorQuAD nDCG@10 | difference |"
    base = results["models"]["384 float32"]["korquad"]["ndcg_at_10"]["score"]
    assert table[2] == f"| 384 | float32 | 1,536 | {base:.4f} |  |"
    assert len([line for line in table if line.startswith("| ")]) == 2 + len(outputs)
    assert "1.0% to 1.0% of the values" in "\n".join(table)
