"""Plain text: paragraphs with blank lines between."""

import re
from collections.abc import Iterator

from ondol.search.decode import decode
from ondol.search.document import Block, Document, with_lines

#: Of at most 200 lines, since a log may have no blank line at all.
_PARAGRAPH = re.compile(r"[^\n]*\S[^\n]*(?:\n[^\n]*\S[^\n]*){0,199}")


def read(content: bytes) -> Document:
    """Text in any encoding that `decode` takes."""
    text = decode(content)
    return with_lines(text, list(paragraphs(text)))


def paragraphs(text: str, start: int = 0, end: int | None = None) -> Iterator[Block]:
    """Runs of lines that are not blank, within text[start:end]."""
    for found in _PARAGRAPH.finditer(text, start, len(text) if end is None else end):
        yield Block(found.start(), found.end())
