"""The comparison of two segmentations, on lines that can be counted by hand."""

from typing import Any

import pytest

from ondol.errors import ConversionError
from ondol.vocab_prune.rewrite import prune_tokenizer_json
from ondol.vocab_prune.verify import Comparison, Fidelity, verification_lines


def test_counts_of_a_prune(tiny_tokenizer: dict[str, Any]) -> None:
    kept = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16]  # without ▁한국 어 ▁ab 한 a ж
    comparison = Comparison(tiny_tokenizer, prune_tokenizer_json(tiny_tokenizer, kept), kept)

    assert comparison.measure(["a"]) == Fidelity(1, 1, 1, 1, 1, 0, 0, 1)
    # ▁한국 becomes ▁한 국: the line differs, and its one token is gone.
    assert comparison.measure(["한국"]) == Fidelity(1, 0, 1, 0, 2, 0, 0, 2)
    # ▁a 한 becomes ▁a <unk>: one of two tokens is the same.
    assert comparison.measure(["a한"]) == Fidelity(1, 0, 2, 1, 2, 0, 1, 2)
    # 中 was unknown before.
    assert comparison.measure(["a中"]) == Fidelity(1, 1, 2, 2, 2, 1, 1, 2)
    assert comparison.measure([]) == Fidelity(0, 0, 0, 0, 0, 0, 0, 0)

    both = comparison.measure(["a", "한국", "a한", "a中"])
    assert both == Fidelity(4, 2, 6, 4, 7, 1, 2, 7)
    assert both.identical_line_share == 0.5
    assert both.identical_token_share == pytest.approx(4 / 6)
    assert both.unknown_per_10k == (pytest.approx(1e4 / 6), pytest.approx(2e4 / 7))
    assert both.tokens_per_character == (pytest.approx(6 / 7), pytest.approx(1.0))


def test_many_lines_are_counted_batch_by_batch(tiny_tokenizer: dict[str, Any]) -> None:
    kept = list(range(17))
    comparison = Comparison(tiny_tokenizer, tiny_tokenizer, kept)
    assert comparison.measure(["a b"] * 2500).lines == 2500


def test_a_wrong_prune_is_found(tiny_tokenizer: dict[str, Any]) -> None:
    kept = list(range(17))
    wrong = prune_tokenizer_json(tiny_tokenizer, kept)
    for entry in wrong["model"]["vocab"]:
        if entry[0] == "▁ab":
            entry[1] = -50.0  # scores must not change
    with pytest.raises(ConversionError, match="every piece was kept"):
        Comparison(tiny_tokenizer, wrong, kept).measure(["ab"])


def test_the_lines_inside_the_package_cover_both_sides() -> None:
    lines = verification_lines()
    assert len(lines["ko"]) >= 100
    assert len(lines["en"]) >= 100
    assert {"ja", "zh", "ru", "ar", "vi", "de"} <= set(lines)
    assert all(line.strip() for group in lines.values() for line in group)
