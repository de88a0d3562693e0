"""What every reader makes of a file: one text, its blocks, and where in the file they stand."""

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum


class Unit(Enum):
    """What the numbers of a position count."""

    LINE = "line"
    PAGE = "page"
    NONE = "none"


class UnreadableError(Exception):
    """A file gives no text. The message is the reason, in words for the summary."""


@dataclass(frozen=True)
class Block:
    """A paragraph, list, table or heading of a document.

    Attributes:
        start, end: its characters, `document.text[start:end]`.
        level: of a heading, smaller is higher; None for all else.
        title: of a heading, without marks.
    """

    start: int
    end: int
    level: int | None = None
    title: str = ""


@dataclass(frozen=True)
class Document:
    """A file's text.

    Attributes:
        text: composed (NFC), lines end with "\\n".
        blocks: in order, not overlapping.
        unit: what `numbers` counts.
        offsets, numbers: from character offsets[i] on, the line or page is numbers[i]; both rise.
        prose: whether sentences are looked for; False for source code, which is split by lines.
    """

    text: str
    blocks: tuple[Block, ...]
    unit: Unit
    offsets: tuple[int, ...]
    numbers: tuple[int, ...]
    prose: bool = True

    def number_at(self, offset: int) -> int | None:
        """The line or page, from 1, of a character; None if the format has neither."""
        place = bisect_right(self.offsets, offset) - 1
        return self.numbers[place] if place >= 0 else None


def line_starts(text: str) -> tuple[int, ...]:
    """Offset of the first character of each line."""
    starts = [0]
    while (end := text.find("\n", starts[-1])) >= 0:
        starts.append(end + 1)
    return tuple(starts)


def with_lines(text: str, blocks: list[Block], *, prose: bool = True) -> Document:
    """A document whose text is the file's own, so that its lines are the file's."""
    starts = line_starts(text)
    numbers = tuple(range(1, len(starts) + 1))
    return Document(text, tuple(blocks), Unit.LINE, starts, numbers, prose)


class DocumentBuilder:
    """Joins the pieces of a file whose text has to be extracted, a blank line between two."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._offsets: list[int] = []
        self._numbers: list[int] = []

    def add(self, text: str, *, number: int | None = None, level: int | None = None) -> None:
        """One block. number: its line or page. level: of a heading."""
        text = text.strip()
        if not text:
            return
        if number is not None and (not self._numbers or number > self._numbers[-1]):
            self._offsets.append(self._length)
            self._numbers.append(number)
        end = self._length + len(text)
        title = " ".join(text.split()) if level is not None else ""
        self._blocks.append(Block(self._length, end, level, title))
        self._parts.append(text)
        self._length = end + 2

    def document(self) -> Document:
        """What was added so far."""
        return Document(
            "\n\n".join(self._parts),
            tuple(self._blocks),
            self._unit,
            tuple(self._offsets),
            tuple(self._numbers),
        )
