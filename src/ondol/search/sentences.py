"""Where a sentence of Korean or English may end."""

import re

#: A full stop or its like, closing quotes and brackets, and white space; or the end of a line after
#: a Korean final ending, which is often written without a full stop, or before a list item.
_END = re.compile(
    r"""(?<=[.!?…。！？])["'”’»」』)\]]*\s+
    |(?<=[다요죠까음함임됨])[ \t]*\n\s*
    |\n\s*(?=[-*+•·|>]\s|\d{1,3}[.)]\s)""",
    re.VERBOSE,
)

#: What a full stop does not end: initials, numbers of a list, and abbreviations of English text.
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|\d{1,3}|Mr|Mrs|Ms|Dr|Prof|St|vs|cf|Fig|No|Vol|pp?|e\.g|i\.e|et al)\.$"
)


def sentences(text: str) -> list[tuple[int, int]]:
    """Spans (start, end) of the sentences of a paragraph, without the white space around them."""
    ends = [
        (found.start(), found.end())
        for found in _END.finditer(text)
        if not _ABBREVIATION.search(text, max(0, found.start() - 8), found.start())
    ]
    return _between(text, ends)


def lines(text: str) -> list[tuple[int, int]]:
    """Spans of the lines that are not blank, with their indentation."""
    return [(found.start(), found.end()) for found in re.finditer(r"[^\n]*\S[^\n]*", text)]


def _between(text: str, ends: list[tuple[int, int]]) -> list[tuple[int, int]]:
    spans = []
    start = len(text) - len(text.lstrip())
    for end, following in (*ends, (len(text.rstrip()), len(text))):
        # A closing quote belongs to the sentence before it.
        while end < following and not text[end].isspace():
            end += 1
        if end > start:
            spans.append((start, end))
        start = following
    return spans
