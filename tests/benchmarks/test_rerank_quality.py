"""How rerankers are compared, with contenders whose scores are known."""

from typing import Any

import numpy as np
import pytest
from documents import retrieval, source
from rerank_quality import (
    FIRST_STAGE,
    ROUNDS,
    TORCH,
    Question,
    as_text,
    measured,
    sample,
    take_turns,
)
from rerank_sets import RerankSet

DOCUMENTS = 12
QUERIES = 10


def right(pairs: list[tuple[str, str]]) -> np.ndarray:
    """1 for the document that is named as the query, else something lower."""
    return np.array([1.0 if q == d else -i for i, (q, d) in enumerate(pairs)], dtype=np.float32)


def wrong(pairs: list[tuple[str, str]]) -> np.ndarray:
    return -right(pairs)


@pytest.fixture
def reranked() -> RerankSet:
    """Of each query the relevant document comes last among the candidates."""
    numbers = np.arange(DOCUMENTS)
    return RerankSet(
        "korquad",
        queries=tuple(str(n) for n in range(QUERIES)),
        documents=tuple(str(n) for n in range(DOCUMENTS)),
        grades=tuple({n: 1} for n in range(QUERIES)),
        candidates=np.array([[*np.delete(numbers, n), n] for n in range(QUERIES)]),
        held_out=np.arange(QUERIES) >= 2,
    )


def test_the_sample_is_of_held_out_queries_and_always_the_same(reranked: RerankSet) -> None:
    drawn = sample(reranked, 5)
    assert [q.pairs for q in drawn] == [q.pairs for q in sample(reranked, 5)]
    numbers = [int(q.pairs[0][0]) for q in drawn]
    assert len(numbers) == 5
    assert numbers == sorted(set(numbers))
    assert min(numbers) >= 2
    assert drawn[0].pairs[-1] == (str(numbers[0]), str(numbers[0]))
    assert len(sample(reranked, 100)) == QUERIES - 2


def test_ndcg_by_hand() -> None:
    question = Question("t", [("q", "a")] * 3, np.array([7, 3, 5]), {5: 1})
    assert question.ndcg(np.array([0.1, 0.2, 0.3], dtype=np.float32)) == 1
    # Equal scores leave the first stage's order: the relevant one is third.
    equal = question.ndcg(np.zeros(3, dtype=np.float32))
    assert equal == pytest.approx(1 / np.log2(4))


def results_of(reranked: RerankSet) -> dict[str, Any]:
    questions = sample(reranked, QUERIES)
    runs = take_turns({TORCH: right, "the same": right, "the opposite": wrong}, questions)
    assert all(len(run.seconds) == ROUNDS for run in runs.values())
    assert all(len(run.scores) == len(questions) for run in runs.values())
    return measured(questions, runs)


def test_every_contender_beside_pytorch(reranked: RerankSet) -> None:
    found = results_of(reranked)
    assert list(found) == [FIRST_STAGE, TORCH, "the same", "the opposite"]
    of = {name: one["sets"]["korquad"] for name, one in found.items()}
    assert of[FIRST_STAGE]["ndcg_at_10"] == 0  # the relevant one is the twelfth
    assert of[TORCH]["ndcg_at_10"] == of["the same"]["ndcg_at_10"] == 1
    same = of["the same"]
    assert (same["difference"], same["low"], same["high"]) == (0, 0, 0)
    assert (same["rank_correlation"], same["same_first"]) == (pytest.approx(1), 1)
    assert of["the opposite"]["difference"] == of["the opposite"]["low"] == -1
    assert of["the opposite"]["rank_correlation"] == pytest.approx(-1)
    assert of["the opposite"]["same_first"] == 0
    assert found[TORCH]["ratio"] == 1
    assert "pairs_per_second" not in found[FIRST_STAGE]
    assert len(as_text(found).splitlines()) == 1 + len(found)


def test_the_tables_of_the_documentation(
    reranked: RerankSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    parity = {"correlation": 0.9, "mean_error": 0.1, "max_error": 0.25, "ceiling": 0.5}
    results = {
        "base": TORCH,
        "first_stage": "made up",
        "rows": 48_000,
        "candidates": DOCUMENTS,
        "queries": {"korquad": 8},
        "held_out": {"korquad": 8},
        "rounds": ROUNDS,
        "threads": 2,
        "bootstrap": {"resamples": 2_000, "confidence": 0.95},
        "contenders": results_of(reranked),
        "parity": [{"name": "onnx-int8", "bytes": 1, "pairs": 74, **parity}],
    }
    monkeypatch.setattr(source, "record", lambda name: {**RECORD, "results": results})
    table = retrieval.reranking().splitlines()
    assert table[2].startswith("| first stage | 0.0000 | ")
    assert table[3].startswith("| sentence-transformers, torch | 1.0000 |  |")
    assert len([line for line in table if line.startswith("| ")]) == 2 + 4
    assert retrieval.reranking_parity().splitlines()[2] == (
        "| `onnx-int8` | 0.900000 | 0.100000 | 0.250000 | 0.5 |"
    )


RECORD = {
    "command": "python benchmarks/rerank_quality.py",
    "machine": {
        "processor": "made up",
        "architecture": "x86_64",
        "instructions": [],
        "physical_cores": 2,
        "packages": {"onnxruntime": "1", "llama-cpp-python": "2"},
    },
}
