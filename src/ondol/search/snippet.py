"""The part of a passage that shows why it was found."""

from collections.abc import Collection
from dataclasses import dataclass

from ondol.search.words import terms

#: Characters of a snippet.
LENGTH = 200

_ELLIPSIS = "…"


@dataclass(frozen=True)
class Snippet:
    """A part of a text on one line.

    Attributes:
        text: with "…" where the passage goes on.
        highlights: spans (start, end) of `text` that the query's words match.
    """

    text: str
    highlights: tuple[tuple[int, int], ...]


def snippet(text: str, wanted: Collection[str]) -> Snippet:
    """The LENGTH characters of `text` with the most of the terms `wanted`, each counted once.

    wanted: values of `ondol.search.words.terms`. Of equal parts the first; without any, the
    beginning.
    """
    line = " ".join(text.split())
    hits = [(term.start, term.end, term.value) for term in terms(line) if term.value in wanted]
    start, end = _window(line, hits)
    before = _ELLIPSIS if start > 0 else ""
    after = _ELLIPSIS if end < len(line) else ""
    shift = len(before) - start
    inside = [(a + shift, b + shift) for a, b, _ in hits if a >= start and b <= end]
    return Snippet(before + line[start:end] + after, tuple(_merged(inside)))


def _window(line: str, hits: list[tuple[int, int, str]]) -> tuple[int, int]:
    if len(line) <= LENGTH:
        return 0, len(line)
    best, best_count = (0, 0), 0
    for first in range(len(hits)):
        inside = [hit for hit in hits[first:] if hit[1] <= hits[first][0] + LENGTH]
        count = len({value for _, _, value in inside})
        if count > best_count:
            best, best_count = (hits[first][0], inside[-1][1]), count
    # The hits in the middle, then to the edges of words.
    start = max(0, min((best[0] + best[1] - LENGTH) // 2, len(line) - LENGTH))
    end = start + LENGTH
    if start > 0 and (space := line.find(" ", start - 1, max(best[0], start))) >= 0:
        start = space + 1
    if end < len(line) and (space := line.rfind(" ", max(best[1], start + 1), end + 1)) > 0:
        end = space
    return start, end


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Overlapping and touching spans as one, in order."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
