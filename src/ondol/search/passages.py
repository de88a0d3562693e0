"""A document to passages: by headings and paragraphs, then sentences, then words."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ondol.search.document import Block, Document
from ondol.search.sentences import lines, sentences

#: Spans (start, end) of a text's tokens, in order, without special ones.
TokenSpans = Callable[[str], list[tuple[int, int]]]

#: Tokens of a passage with its headings, and how many of them the next one repeats. A model of 512
#: tokens takes twice as many; one vector then stands for more subjects than a question asks for.
PASSAGE_TOKENS = 256
OVERLAP_TOKENS = 32

#: A passage this full is closed rather than filled with half of the next paragraph.
_FULL_ENOUGH = 0.5

#: Characters of the headings that are embedded with a passage, and their share of its tokens.
_CONTEXT_CHARACTERS = 120
_CONTEXT_SHARE = 0.25


@dataclass(frozen=True)
class Passage:
    """A piece of a document.

    Attributes:
        text: `document.text[start:end]`.
        first, last: its lines or pages, from 1; None if the format has neither.
        headings: those it stands under, the highest first.
        context: of these, what is put before the text when it is embedded; "" for none.
    """

    text: str
    start: int
    end: int
    first: int | None
    last: int | None
    headings: tuple[str, ...]
    context: str

    @property
    def embedded(self) -> str:
        """What the model is given, without the prompt."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True)
class _Piece:
    """A sentence or a part of one. opens: it is the first of a paragraph; rest: tokens of the
    paragraph from it on.
    """

    start: int
    end: int
    tokens: int
    opens: bool
    rest: int


def passages(
    document: Document, token_spans: TokenSpans, *, size: int, overlap: int
) -> Iterator[Passage]:
    """The document's passages, in order; every character but white space is in at least one.

    Args:
        token_spans: of the model that will embed them.
        size: tokens of the longest, its context included.
        overlap: the most tokens at the end of a passage that the next one of the same section
            begins with, as whole sentences.
    """
    path: list[Block] = []
    section: list[_Piece] = []
    parents: tuple[str, ...] = ()  # of the section's heading, which its text begins with

    def closed() -> Iterator[Passage]:
        headings = tuple(block.title for block in path)
        opening = _context(parents, token_spans, size)
        further = _context(headings, token_spans, size)
        budget = size - max(len(token_spans(opening)), len(token_spans(further)))
        pieces = [part for piece in section for part in _cut(document, piece, token_spans, budget)]
        for number, (start, end) in enumerate(_pack(pieces, budget, overlap)):
            yield Passage(
                document.text[start:end],
                start,
                end,
                document.number_at(start),
                document.number_at(end - 1),
                headings,
                further if number else opening,
            )

    for block in document.blocks:
        if block.level is not None:
            yield from closed()
            section = []
            path = [
                above for above in path if above.level is not None and above.level < block.level
            ]
            parents = tuple(above.title for above in path)
            path.append(block)
        section += _pieces(document, block, token_spans)
    yield from closed()


def _context(headings: tuple[str, ...], token_spans: TokenSpans, size: int) -> str:
    """The headings in one line, the higher ones left out until it is short enough."""
    for first in range(len(headings)):
        text = " > ".join(headings[first:])
        if len(text) <= _CONTEXT_CHARACTERS and len(token_spans(text)) <= _CONTEXT_SHARE * size:
            return text
    return ""


def _pieces(document: Document, block: Block, token_spans: TokenSpans) -> list[_Piece]:
    text = document.text[block.start : block.end]
    starts = [start for start, _ in token_spans(text)]
    places = [
        (start, end, bisect_left(starts, start), bisect_left(starts, end))
        for start, end in (sentences(text) if document.prose else lines(text))
    ]
    return [
        _Piece(block.start + start, block.start + end, after - before, n == 0, len(starts) - before)
        for n, (start, end, before, after) in enumerate(places)
    ]


def _cut(
    document: Document, piece: _Piece, token_spans: TokenSpans, budget: int
) -> Iterator[_Piece]:
    """The piece itself, or parts of at most `budget` tokens, between words where there are any."""
    start, end, opens = piece.start, piece.end, piece.opens
    while True:
        text = document.text[start:end]
        spans = token_spans(text)
        if len(spans) <= budget:
            yield _Piece(start, end, len(spans), opens, piece.rest)
            return
        # The last token that begins a word, or, in a word longer than a passage, the last at all.
        cut = next(
            (spans[n][0] for n in range(budget, 0, -1) if text[spans[n][0] - 1].isspace()),
            spans[budget][0],
        )
        # Some tokens share a character, and a part must have one.
        cut = max(cut, 1)
        part = text[:cut].rstrip() or text[:cut]
        yield _Piece(start, start + len(part), budget, opens, piece.rest)
        start += cut
        start += len(document.text[start:end]) - len(document.text[start:end].lstrip())
        opens = False


def _pack(pieces: list[_Piece], budget: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Spans of consecutive pieces of at most `budget` tokens."""
    current: list[_Piece] = []
    total = 0
    for piece in pieces:
        full = total + piece.tokens > budget
        half_paragraph = (
            piece.opens and total >= _FULL_ENOUGH * budget and total + piece.rest > budget
        )
        if current and (full or half_paragraph):
            yield current[0].start, current[-1].end
            current = _tail(current, min(overlap, budget - piece.tokens))
            total = sum(kept.tokens for kept in current)
        current.append(piece)
        total += piece.tokens
    if current:
        yield current[0].start, current[-1].end


def _tail(pieces: list[_Piece], tokens: int) -> list[_Piece]:
    """The last pieces that have at most `tokens` together; never all of them."""
    first = len(pieces)
    while first > 1 and pieces[first - 1].tokens <= tokens:
        first -= 1
        tokens -= pieces[first].tokens
    return pieces[first:]
