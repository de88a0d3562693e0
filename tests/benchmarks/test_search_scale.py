"""The files that are searched, and the comparison of ways to store vectors."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from output_precision import mean_cosine
from search_scale import (
    Cost,
    compare_stores,
    milliseconds,
    with_shared_direction,
    write_documents,
    write_short,
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for language in ("ko", "en"):
        lines = "".join(f"{language} {n} {'long enough ' * 4}\nshort\n" for n in range(3000))
        (folder / f"{language}.txt.gz").write_bytes(gzip.compress(lines.encode()))
    return folder


def unit_vectors(count: int) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(count, 64)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_short_files_hold_one_line_each_and_more_can_be_added(corpus: Path, tmp_path: Path) -> None:
    for count in (10, 20):
        write_short(corpus, tmp_path / "short", count)
        texts = [path.read_text("utf-8") for path in (tmp_path / "short").rglob("*.txt")]
        assert len(set(texts)) == count
        assert all("\n" not in text and text != "short" for text in texts)


def test_documents_are_of_both_languages(corpus: Path, tmp_path: Path) -> None:
    write_documents(corpus, tmp_path / "documents")
    names = sorted(path.name[:2] for path in (tmp_path / "documents").iterdir())
    assert names == ["en"] * 20 + ["ko"] * 20


def test_both_clocks_are_reported() -> None:
    found = milliseconds([Cost(wall=n / 1000, processor=n / 2000) for n in range(1, 101)])
    assert found == pytest.approx(
        {"wall_p50_ms": 50, "wall_p95_ms": 95, "processor_p50_ms": 25, "processor_p95_ms": 47.5}
    )


def test_every_way_finds_the_exact_ten_where_candidates_are_all() -> None:
    vectors = unit_vectors(90)
    found = {way["name"]: way for way in compare_stores(vectors, unit_vectors(5))}
    assert found["float32, vec0"]["recall_at_10"] == 1
    assert found["signs, then float16 of 1,000"]["recall_at_10"] == 1
    assert found["int8, vec0"]["recall_at_10"] > 0.85
    assert [way["bytes"] for way in found.values()] == [256, 64, 136, 136, 136, 136]


def test_a_shared_direction_brings_the_mean_cosine_of_e5() -> None:
    vectors = unit_vectors(500)
    assert abs(mean_cosine(vectors)) < 0.01
    assert mean_cosine(with_shared_direction(vectors)) == pytest.approx(0.8, abs=0.02)
