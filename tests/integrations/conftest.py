"""Models whose results can be counted by hand, and the texts of these tests."""

import pytest

from ondol.testing import FakeEmbedder, FakeReranker

#: One of them answers each question; the bundle inside the package is good enough to tell.
DOCUMENTS = [
    "제주도는 대한민국에서 가장 큰 섬이다.",
    "The stock market fell sharply on Monday.",
    "감기는 바이러스가 일으키는 호흡기 질환이다.",
]
QUERY, ANSWER = "우리나라에서 제일 큰 섬", DOCUMENTS[0]


@pytest.fixture
def fake() -> FakeEmbedder:
    return FakeEmbedder(dimension=8)


@pytest.fixture
def ranker() -> FakeReranker:
    return FakeReranker()


@pytest.fixture
def texts() -> list[str]:
    return list(DOCUMENTS)


@pytest.fixture
def question() -> tuple[str, str]:
    """A query and the document that answers it."""
    return QUERY, ANSWER
