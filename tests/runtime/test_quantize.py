"""Vectors in fewer bytes: by hand, and byte for byte what sentence-transformers returns."""

import numpy as np
import pytest
from sentence_transformers.util import quantize_embeddings, truncate_embeddings

from ondol.errors import InputError, NumericalError
from ondol.precision import Precision
from ondol.runtime.quantize import OutputRanges, dequantize, quantize, shorten
from ondol.runtime.similarity import cosine_similarity

RANDOM = np.random.default_rng(11)


def unit(rows: int, dimension: int) -> np.ndarray:
    vectors = RANDOM.standard_normal((rows, dimension)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_bytes_by_hand() -> None:
    ranges = np.array([[0, -255, 3], [255, 255, 3]], dtype=np.float32)  # steps of 1, 2 and none
    vectors = np.array([[0, -255, 3], [254.5, 1, 3], [900, -900, 4.5]], dtype=np.float32)
    found = quantize(vectors, Precision.UINT8, ranges)
    assert found.tolist() == [[0, 0, 0], [254, 128, 0], [255, 0, 1]]
    assert quantize(vectors, Precision.INT8, ranges).tolist() == (found.astype(int) - 128).tolist()


def test_bits_by_hand() -> None:
    vectors = np.array([[1, -1, 0, 1, 1, -1, -1, 1, 2]], dtype=np.float32)
    assert quantize(vectors, Precision.UBINARY, None).tolist() == [[0b10011001, 0b10000000]]
    assert quantize(vectors, Precision.BINARY, None).tolist() == [[0b10011001 - 128, 0]]


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("dimension", [384, 61])
def test_the_bytes_of_sentence_transformers(precision: Precision, dimension: int) -> None:
    calibration, vectors = unit(150, dimension), unit(400, dimension)
    calibration[:, 3] = vectors[:, 3] = 0.25  # a dimension without any width
    ranges = OutputRanges(calibration).of(dimension, normalize=False)
    expected = quantize_embeddings(vectors, precision.value, ranges=ranges)
    found = quantize(vectors, precision, ranges)
    assert found.dtype == expected.dtype == np.dtype(precision.dtype)
    assert found.shape == (400, precision.columns(dimension))
    assert np.array_equal(found, expected)
    if precision.needs_ranges:
        other = quantize_embeddings(vectors, precision.value, calibration_embeddings=calibration)
        assert np.array_equal(found, other)


@pytest.mark.parametrize("normalize", [True, False])
def test_ranges_are_those_of_vectors_treated_alike(normalize: bool) -> None:
    calibration = 3 * unit(120, 32)
    kept = truncate_embeddings(calibration, 8)
    if normalize:
        kept = kept / np.linalg.norm(kept, axis=1, keepdims=True)
    ranges = OutputRanges(calibration)
    low, high = ranges.of(8, normalize=normalize)
    np.testing.assert_allclose(low, kept.min(axis=0), rtol=1e-6)
    np.testing.assert_allclose(high, kept.max(axis=0), rtol=1e-6)
    assert ranges.of(8, normalize=normalize) is ranges.of(8, normalize=normalize)


def test_shortening_scales_again_only_what_was_scaled() -> None:
    vector = np.array([0.6, 0, 0.8], dtype=np.float32)
    assert shorten(vector, 2, normalize=True, index=0).tolist() == [1, 0]
    assert shorten(vector, 2, normalize=False, index=0).tolist() == vector[:2].tolist()
    assert shorten(vector, 5, normalize=True, index=0) is vector
    with pytest.raises(NumericalError, match="text 7"):
        shorten(np.array([0, 1], dtype=np.float32), 1, normalize=True, index=7)


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.UINT8])
@pytest.mark.parametrize("dimension", [32, 12])
def test_numbers_come_back_within_half_a_step(precision: Precision, dimension: int) -> None:
    ranges = OutputRanges(unit(200, 32))
    low, high = ranges.of(dimension, normalize=True)
    vectors = np.clip(unit(50, dimension), low, high)
    levels = quantize(vectors, precision, np.stack([low, high]))
    found = dequantize(levels, ranges, normalize=True)
    assert (found.shape, found.dtype) == ((50, dimension), np.float32)
    assert (np.abs(found - vectors) <= 0.501 * (high - low) / 255).all()
    assert np.array_equal(dequantize(levels[3], ranges, normalize=True), found[3])


def test_what_cannot_be_numbers_again_is_named() -> None:
    ranges = OutputRanges(unit(9, 16))
    with pytest.raises(InputError, match=r"got vectors of float32 and shape \(2, 16\); expected"):
        dequantize(unit(2, 16), ranges, normalize=True)
    with pytest.raises(InputError, match="got vectors of 17 columns; whole ones have 16"):
        dequantize(np.zeros((2, 17), dtype=np.int8), ranges, normalize=True)


def test_an_unknown_precision_names_the_known() -> None:
    with pytest.raises(InputError, match="'int4'; expected one of: float32, int8, uint8, binary"):
        Precision.parse("int4")


@pytest.mark.parametrize("precision", [p for p in Precision if p is not Precision.FLOAT32])
def test_similarity_does_not_guess_what_bytes_mean(precision: Precision) -> None:
    vectors = unit(3, 16)
    quantized = quantize(vectors, precision, OutputRanges(vectors).of(16, normalize=True))
    with pytest.raises(InputError, match=f"{precision.dtype}; expected float32"):
        cosine_similarity(vectors, quantized)
