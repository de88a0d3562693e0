"""How text is segmented by the pruned tokenizer, against the full one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ondol.errors import ConversionError
from ondol.vocab_prune.unigram import UnigramVocabulary, load_tokenizer

#: Lines that are tokenized at a time; bounds memory.
_BATCH = 1024


@dataclass(frozen=True)
class Fidelity:
    """One set of lines, segmented by both tokenizers. Special tokens are not counted.

    Attributes:
        lines, identical_lines: lines, and those with the same pieces from both.
        tokens: tokens of the full tokenizer.
        identical_tokens: of these, the ones that the pruned tokenizer gives too: the same piece
            for the same characters.
        pruned_tokens: tokens of the pruned tokenizer.
        unknown, pruned_unknown: `<unk>` among the tokens of each.
        characters: Unicode code points of all lines.
    """

    lines: int
    identical_lines: int
    tokens: int
    identical_tokens: int
    pruned_tokens: int
    unknown: int
    pruned_unknown: int
    characters: int

    def __add__(self, other: "Fidelity") -> "Fidelity":
        return Fidelity(*(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    @property
    def counts(self) -> tuple[int, ...]:
        return (
            self.lines,
            self.identical_lines,
            self.tokens,
            self.identical_tokens,
            self.pruned_tokens,
            self.unknown,
            self.pruned_unknown,
            self.characters,
        )

    @property
    def identical_line_share(self) -> float:
        """From 0 to 1."""
        return self.identical_lines / max(1, self.lines)

    @property
    def identical_token_share(self) -> float:
        """From 0 to 1."""
        return self.identical_tokens / max(1, self.tokens)

    @property
    def unknown_per_10k(self) -> tuple[float, float]:
        """`<unk>` per 10,000 tokens, before and after."""
        return (
            1e4 * self.unknown / max(1, self.tokens),
            1e4 * self.pruned_unknown / max(1, self.pruned_tokens),
        )

    @property
    def tokens_per_character(self) -> tuple[float, float]:
        """Before and after."""
        characters = max(1, self.characters)
        return self.tokens / characters, self.pruned_tokens / characters


class Comparison:
    """The full and the pruned tokenizer side by side.

    Args:
        full, pruned: the parsed contents of the two tokenizer.json.
        kept: the old id of every new id.
    """

    def __init__(
        self, full: Mapping[str, Any], pruned: Mapping[str, Any], kept: Sequence[int]
    ) -> None:
        self._full = load_tokenizer(full)
        self._pruned = load_tokenizer(pruned)
        self._old_ids = list(kept)
        self._kept = frozenset(kept)
        self._unk_id = UnigramVocabulary.from_json(full).unk_id

    def measure(self, lines: Iterable[str]) -> Fidelity:
        """Segment every line with both tokenizers and count.

        Raises ConversionError for a line that differs although all its pieces were kept: such a
        prune is wrong, however large it is.
        """
        total = Fidelity(0, 0, 0, 0, 0, 0, 0, 0)
        batch: list[str] = []
        for line in lines:
            batch.append(line)
            if len(batch) == _BATCH:
                total += self._measure_batch(batch)
                batch = []
        return total + self._measure_batch(batch) if batch else total

    def _measure_batch(self, lines: list[str]) -> Fidelity:
        total = Fidelity(0, 0, 0, 0, 0, 0, 0, 0)
        before = self._full.encode_batch(lines, add_special_tokens=False)
        after = self._pruned.encode_batch(lines, add_special_tokens=False)
        for line, full, pruned in zip(lines, before, after, strict=True):
            old_ids = [self._old_ids[index] for index in pruned.ids]
            same = old_ids == full.ids
            if not same and self._kept.issuperset(full.ids):
                raise ConversionError(
                    f"the pruned tokenizer segments {line[:60]!r} differently although every piece "
                    "was kept; please report this tokenizer.json"
                )
            spans = set(zip(full.offsets, full.ids, strict=True))
            shared = spans.intersection(zip(pruned.offsets, old_ids, strict=True))
            # Pieces of one normalised character share its offsets, so a set may fold repeats.
            identical = len(full.ids) if same else min(len(shared), len(full.ids))
            total += Fidelity(
                lines=1,
                identical_lines=int(same),
                tokens=len(full.ids),
                identical_tokens=identical,
                pruned_tokens=len(old_ids),
                unknown=full.ids.count(self._unk_id),
                pruned_unknown=old_ids.count(self._unk_id),
                characters=len(line),
            )
        return total


def verification_lines() -> Mapping[str, Sequence[str]]:
    """The lines inside the package that every prune is checked on, by ISO 639-1 language code.

    Korean and English for what must not change, other languages for what will suffer. Written for
    this project, never counted for a keep-list.
    """
    content = files("ondol.vocab_prune.data").joinpath("verification.json").read_text("utf-8")
    lines: dict[str, list[str]] = json.loads(content)
    return lines
