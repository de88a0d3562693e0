"""Source code and configuration: blocks with blank lines between, split by lines."""

from ondol.search.decode import decode
from ondol.search.document import Document, with_lines
from ondol.search.readers.plain import paragraphs


def read(content: bytes) -> Document:
    """Text in any encoding that `decode` takes."""
    text = decode(content)
    return with_lines(text, list(paragraphs(text)), prose=False)
