"""Pooling and normalising, against numbers computed by hand and against sentence-transformers."""

import numpy as np
import pytest

from ondol.checkpoint import Pooling
from ondol.errors import NumericalError
from ondol.runtime.pool import finish, pool

STATES = np.array([[1, 2], [3, 4], [8, 0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [(Pooling.MEAN, [4, 2]), (Pooling.CLS, [1, 2]), (Pooling.LAST_TOKEN, [8, 0])],
)
def test_pooling_by_hand(pooling: Pooling, expected: list[float]) -> None:
    vector = pool(STATES, pooling)
    assert vector.tolist() == expected
    assert vector.dtype == np.float32
    assert not np.shares_memory(vector, STATES)


@pytest.mark.parametrize("pooling", list(Pooling))
def test_pooling_agrees_with_sentence_transformers(pooling: Pooling) -> None:
    import torch
    from sentence_transformers.models import Pooling as Reference

    states = np.random.default_rng(3).normal(size=(7, 16)).astype(np.float32)
    reference = Reference(16, pooling_mode=pooling.value)
    expected = reference(
        {
            "token_embeddings": torch.from_numpy(states)[None],
            "attention_mask": torch.ones(1, 7, dtype=torch.long),
        }
    )["sentence_embedding"][0].numpy()
    np.testing.assert_allclose(pool(states, pooling), expected, atol=1e-6)


def test_normalising() -> None:
    vector = np.array([3, 4], dtype=np.float32)
    np.testing.assert_allclose(finish(vector, normalize=True, index=0), [0.6, 0.8], rtol=1e-7)
    assert finish(vector, normalize=False, index=0).tolist() == [3, 4]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("normalize", [True, False])
def test_a_vector_that_is_not_finite_names_its_text(bad: float, normalize: bool) -> None:
    with pytest.raises(NumericalError, match="text 17"):
        finish(np.array([1, bad], dtype=np.float32), normalize=normalize, index=17)


def test_a_zero_vector_has_no_direction() -> None:
    zero = np.zeros(2, dtype=np.float32)
    with pytest.raises(NumericalError, match=r"zero vector for text 5"):
        finish(zero, normalize=True, index=5)
    assert finish(zero, normalize=False, index=5).tolist() == [0, 0]
