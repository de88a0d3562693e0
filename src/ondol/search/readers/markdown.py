"""Markdown (CommonMark and tables): its own text, with headings and blocks found by markdown-it."""

import re
from itertools import pairwise
from typing import Any

from ondol.errors import MissingDependencyError
from ondol.search.decode import decode
from ondol.search.document import Block, Document, line_starts, with_lines

#: YAML between two lines of dashes at the beginning, which CommonMark would read as a heading.
_FRONT_MATTER = re.compile(r"---\n.*?\n---\n", re.DOTALL)


def read(content: bytes) -> Document:
    """Text in any encoding that `decode` takes. Raises MissingDependencyError."""
    text = decode(content)
    front = _FRONT_MATTER.match(text)
    skipped = front.end() if front else 0
    blocks = [Block(0, skipped)] if front else []
    body = text[skipped:]
    starts = (*line_starts(body), len(body) + 1)
    tokens = _parser().parse(body)
    for token, following in pairwise((*tokens, None)):
        # Nested blocks belong to the list or quotation around them.
        if token.level or token.map is None or token.nesting < 0:
            continue
        first, last = token.map
        start, end = starts[first], min(starts[last], len(body))
        level, title = None, ""
        if token.type == "heading_open":
            level, title = int(token.tag[1:]), following.content
        blocks.append(Block(skipped + start, skipped + end, level, title))
    return with_lines(text, blocks)


def _parser() -> Any:
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise MissingDependencyError("indexing Markdown", "markdown-it-py", "search") from error
    return MarkdownIt("commonmark").enable("table")
