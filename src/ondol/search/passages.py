"""A document to passages: by headings and paragraphs, then sentences, then words."""

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


#: More than a token has on the average of any text.
_CHARACTERS_A_TOKEN = 16


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
    """A sentence or a part of one.

    Attributes:
        start, end: its characters.
        rest: tokens of its paragraph from it on.
        opens: it is the paragraph's first.
    """

    start: int
    end: int
    tokens: int
    rest: int
    opens: bool


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
    section: list[Block] = []
    parents: tuple[str, ...] = ()  # of the section's heading, which its text begins with

    def closed() -> Iterator[Passage]:
        headings = tuple(block.title for block in path)
        opening = _context(parents, token_spans, size)
        further = _context(headings, token_spans, size)
        budget = size - max(len(token_spans(opening)), len(token_spans(further)))
        pieces = [
            piece for block in section for piece in _pieces(document, block, token_spans, budget)
        ]
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
        section.append(block)
    yield from closed()


def _context(headings: tuple[str, ...], token_spans: TokenSpans, size: int) -> str:
    """The headings in one line, the higher ones left out until it is short enough."""
    for first in range(len(headings)):
        text = " > ".join(headings[first:])
        if len(text) <= _CONTEXT_CHARACTERS and len(token_spans(text)) <= _CONTEXT_SHARE * size:
            return text
    return ""


def _pieces(document: Document, block: Block, token_spans: TokenSpans, budget: int) -> list[_Piece]:
    text = document.text[block.start : block.end]
    spans = sentences(text) if document.prose else lines(text)
    parts = [part for start, end in spans for part in _cut(text, start, end, token_spans, budget)]
    pieces = []
    rest = sum(tokens for _, _, tokens in parts)
    for number, (start, end, tokens) in enumerate(parts):
        pieces.append(
            _Piece(block.start + start, block.start + end, tokens, rest, opens=number == 0)
        )
        rest -= tokens
    return pieces


def _cut(
    text: str, start: int, end: int, token_spans: TokenSpans, budget: int
) -> Iterator[tuple[int, int, int]]:
    """(start, end, tokens) of a sentence, or of parts of it that have at most `budget` tokens,
    between words where there are any.
    """
    # Of a file that is one line, only what a passage may hold is looked at.
    reach = budget * _CHARACTERS_A_TOKEN
    while start < end:
        window = text[start : min(end, start + reach)]
        spans = token_spans(window)
        whole = start + len(window) == end
        if len(spans) <= budget and whole:
            yield start, end, len(spans)
            return
        # The last tokens that begin a word; in a word longer than a passage, the last one.
        last = min(budget, len(spans) - 1)
        cut = next(
            (spans[n][0] for n in range(last, 0, -1) if window[spans[n][0] - 1].isspace()),
            spans[last][0] if len(spans) > budget else len(window),
        )
        # Some tokens share a character, and a part must have one.
        part = window[: max(cut, 1)]
        kept = part.rstrip() or part
        yield start, start + len(kept), len(token_spans(kept))
        start += len(part)
        start += len(window) - len(part) - len(window[len(part) :].lstrip())


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
