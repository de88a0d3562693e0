"""Which texts keep their pieces, and what becomes of the vectors of the others."""

import copy
import json
from typing import Any

import numpy as np
import pytest
import tokenizers
from pruning_loss import PruningLoss, pruning_loss, same_pieces
from quality.sets import Texts


def test_a_dropped_piece_changes_only_the_texts_that_used_it(
    tiny_tokenizer: dict[str, Any],
) -> None:
    pruned = copy.deepcopy(tiny_tokenizer)
    vocab = pruned["model"]["vocab"]
    # In place: ids do not matter here, pieces do.
    vocab[[piece for piece, _ in vocab].index("▁한국")][0] = "never"
    whole, after = (
        tokenizers.Tokenizer.from_str(json.dumps(one)) for one in (tiny_tokenizer, pruned)
    )
    assert same_pieces(["한국어", "ab", "한국"], whole, after).tolist() == [False, True, False]


def test_texts_with_the_same_pieces_are_told_from_the_others() -> None:
    whole = np.array([[1, 0], [0, 1], [1, 0], [1, 0]], dtype=np.float32)
    pruned = np.array([[1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6]], dtype=np.float32)
    same = np.array([True, True, False, False])
    found = pruning_loss(Texts("t", ("a", "b", "c", "d")), same, whole, pruned)
    assert (found.texts, found.same_pieces) == (4, 2)
    assert found.min_cosine_same == pytest.approx(1)
    assert found.mean_cosine_other == pytest.approx(0.7)
    assert found.min_cosine_other == pytest.approx(0.6)


def test_nothing_is_said_of_texts_that_are_not_there() -> None:
    vectors = np.eye(2, dtype=np.float32)
    found = pruning_loss(Texts("t", ("a", "b")), np.array([True, True]), vectors, vectors)
    assert found == PruningLoss("t", 2, 2, 1.0, None, None)
