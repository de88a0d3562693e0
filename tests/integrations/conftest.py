"""A reranker whose scores can be counted by hand, and the texts of these tests."""

from collections.abc import Sequence
from typing import Any

import pytest

from ondol.testing import FakeEmbedder

#: One of them answers each question; the bundle inside the package is good enough to tell.
DOCUMENTS = [
    "제주도는 대한민국에서 가장 큰 섬이다.",
    "The stock market fell sharply on Monday.",
    "감기는 바이러스가 일으키는 호흡기 질환이다.",
]
QUERY, ANSWER = "우리나라에서 제일 큰 섬", DOCUMENTS[0]


class WordRanker:
    """Stands in for `ondol.Reranker`: the score is the share of the query's words in a text."""

    def rank(
        self, query: str, documents: Sequence[str], *, top_k: int | None = None
    ) -> list[dict[str, Any]]:
        words = set(query.split())
        scores = [len(words & set(text.split())) / len(words) for text in documents]
        order = sorted(range(len(documents)), key=lambda index: -scores[index])
        return [{"corpus_id": index, "score": scores[index]} for index in order[:top_k]]


@pytest.fixture
def fake() -> FakeEmbedder:
    return FakeEmbedder(dimension=8)


@pytest.fixture
def ranker() -> WordRanker:
    return WordRanker()


@pytest.fixture
def texts() -> list[str]:
    return list(DOCUMENTS)


@pytest.fixture
def question() -> tuple[str, str]:
    """A query and the document that answers it."""
    return QUERY, ANSWER
