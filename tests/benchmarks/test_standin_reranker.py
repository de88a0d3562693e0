"""What the stand-in reranker starts from and learns from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import standin_reranker
from rerank_sets import RerankSet
from standin_reranker import (
    END,
    NEGATIVES,
    WINDOW,
    examples,
    fresh_reranker,
    groups,
    joined,
    padded,
)

from ondol.checkpoint import Checkpoint


def test_the_encoder_computes_the_same_as_the_bert_model(
    make_checkpoint: Callable[..., Path],
) -> None:
    import torch
    from transformers import BertModel

    source = make_checkpoint()
    reranker = fresh_reranker(Checkpoint(source)).eval()
    ids, mask = padded([(0, 5, 7, 2, 2, 9, 2), (0, 4, 2)])
    with torch.inference_mode():
        expected = BertModel.from_pretrained(source)(ids, mask).last_hidden_state
        found = reranker.roberta(ids, mask).last_hidden_state
    kept = mask.bool()
    assert torch.allclose(found[kept], expected[kept], atol=1e-5)
    assert reranker.config.num_labels == 1
    assert not reranker.roberta.embeddings.word_embeddings.weight.requires_grad


def test_padding_is_masked() -> None:
    ids, mask = padded([(0, 5, 2), (0, 2)])
    assert ids.tolist() == [[0, 5, 2], [0, 2, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 1, 0]]


def test_a_document_gives_the_window_with_most_of_the_querys_tokens() -> None:
    query = (0, 40, 41, 2)
    document = tuple(range(1000, 1000 + 3 * WINDOW))
    start = WINDOW + WINDOW // 2
    document = (*document[:start], 40, 41, *document[start + 2 :])
    found = joined(query, document)
    assert found == (*query, END, *document[start - WINDOW // 2 :][:WINDOW], END)
    assert joined(query, (7, 8)) == (*query, END, 7, 8, END)
    assert joined(query, ()) == (*query, END, END)


def test_a_group_is_a_relevant_document_and_others_that_were_found(
    make_checkpoint: Callable[..., Path],
) -> None:
    documents = ("a", "b", "한국", "어", "ab", "한")
    found = RerankSet(
        "korquad",
        queries=("a 한국", "b", "한"),
        documents=documents,
        grades=({0: 1, 2: 1, 5: 0}, {1: 1}, {5: 1}),
        candidates=np.array([[0, 1, 2, 3, 4, 5], [1, 0, 2, 3, 4, 5], [5, 1, 2, 3, 4, 0]]),
        held_out=np.array([False, False, True]),
    )
    made = examples(found, make_checkpoint() / "tokenizer.json")
    # Two relevant documents of the first query, one of the second; the third is held out.
    assert [len(one.others) for one in made] == [4, 4, 5]
    first, second, _ = made
    assert first.query == second.query
    assert first.others == second.others
    assert first.relevant not in first.others
    assert second.relevant not in first.others

    steps = list(groups(made, 3, np.random.default_rng(0)))
    size = 1 + NEGATIVES
    assert [len(pairs) for pairs in steps] == [standin_reranker.GROUPS * size] * 3
    seen = []
    for pairs in steps:
        for start in range(0, len(pairs), size):
            relevant, *others = pairs[start : start + size]
            (number,) = (
                n for n, one in enumerate(made) if relevant == joined(one.query, one.relevant)
            )
            seen.append(number)
            assert len(set(others)) == NEGATIVES
            assert set(others) <= {joined(made[number].query, d) for d in made[number].others}
    # Every example comes once before any comes again.
    assert sorted(seen[:3]) == sorted(seen[3:6]) == [0, 1, 2]


def test_an_unknown_checkpoint_is_an_error_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [str(tmp_path / "none"), str(tmp_path), str(tmp_path / "out"), "--eval", "e"]
    arguments += ["--cache", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["standin_reranker.py", *arguments])
    assert standin_reranker.main() == 1
    assert "error: " in capsys.readouterr().err
