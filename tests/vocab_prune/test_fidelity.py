"""The keep-list's bars on text that was never counted (benchmarks/prune_fidelity.py)."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ondol.errors import InputError


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "prune_fidelity.py"
    spec = importlib.util.spec_from_file_location("prune_fidelity", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_missing_evaluation_sets_are_an_error(benchmark: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the evaluation sets"):
        benchmark.held_out(tmp_path)


@pytest.fixture(scope="module")
def full(shared_dir: Path) -> dict[str, Any]:
    content = (shared_dir / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8")
    tokenizer: dict[str, Any] = json.loads(content)
    return tokenizer


@pytest.mark.shared
def test_bars_on_held_out_text(
    benchmark: ModuleType, full: dict[str, Any], shared_dir: Path
) -> None:
    texts = benchmark.held_out(shared_dir / "eval")
    records = benchmark.measure(full, texts, [41_348, 48_000])
    pooled = {(r["wanted"], r["language"]): r for r in records if r["source"] == "all"}
    for (size, language), floor in {
        (41_348, "ko"): 0.990,
        (41_348, "en"): 0.960,
        (48_000, "ko"): 0.995,
        (48_000, "en"): 0.985,
    }.items():
        record = pooled[size, language]
        assert record["rows"] <= size
        assert record["identical_line_share"] >= floor, record
    for record in pooled.values():
        gained = record["unknown_per_10k_after"] - record["unknown_per_10k_before"]
        assert gained <= 1.0, record


@pytest.mark.shared
def test_sizes_and_languages(full: dict[str, Any]) -> None:
    from ondol.vocab_prune.alphabet import alphabet_pieces, has_hangul
    from ondol.vocab_prune.keeplist import default_rates
    from ondol.vocab_prune.select import select
    from ondol.vocab_prune.unigram import UnigramVocabulary

    vocabulary = UnigramVocabulary.from_json(full)
    for languages in (["ko"], ["en"], ["en", "ko"]):
        alphabet = alphabet_pieces(vocabulary, languages)
        rates = default_rates(vocabulary, languages)
        for size in (7, 12_000, 41_348):
            kept = select(vocabulary, alphabet, rates, size).kept
            assert len(kept) == size
            if size == 41_348:
                assert alphabet <= set(kept)
            if size > 7:  # a vocabulary that was pruned before is still XLM-R's
                pieces, scores = zip(
                    *((vocabulary.pieces[i], vocabulary.scores[i]) for i in kept), strict=True
                )
                pruned = UnigramVocabulary(pieces, scores, 3, frozenset({0, 1, 2, 3, size - 1}))
                again = default_rates(pruned, languages)
                for language in languages:
                    assert (again[language] == rates[language][list(kept)]).all()
            if languages == ["en"]:
                assert not any(has_hangul(vocabulary.pieces[index]) for index in kept)
