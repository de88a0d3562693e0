"""HTML: the text of its blocks, without scripts and styles, and the lines they begin on."""

import re
from typing import Any

from ondol.errors import MissingDependencyError
from ondol.search.decode import decode
from ondol.search.document import Document, DocumentBuilder, Unit, UnreadableError

#: As the HTML standard's prescan: an encoding is named within the first kilobyte.
_CHARSET = re.compile(rb"""<meta[^>]+?charset\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_PRESCAN = 1024

_HIDDEN = frozenset(("script", "style", "noscript", "template", "svg", "head"))

_BLOCKS = frozenset(
    (
        "address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt",
        "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
        "header", "hr", "html", "li", "main", "nav", "ol", "p", "pre", "section", "summary",
        "table", "tr", "ul",
    )
)  # fmt: skip

_SPACE = re.compile(r"[ \t\n\r\f]+")


def read(content: bytes) -> Document:
    """A page in the encoding it names, or any that `decode` takes. Raises MissingDependencyError.

    The page's title is a heading above all others.
    """
    declared = _CHARSET.search(content[:_PRESCAN])
    text = decode(content, _encoding(declared.group(1).decode("ascii")) if declared else None)
    root = _parse(text)
    page = _Page()
    title = root.find(".//title")
    if title is not None and title.text:
        page.builder.add(title.text, number=title.sourceline, level=0)
    page.walk(root)
    page.flush()
    return page.builder.document()


def _encoding(name: str) -> str | None:
    # The web's euc-kr is CP949 (WHATWG Encoding). A page that is read as UTF-16 says so with a
    # mark; the name alone means UTF-8 there.
    name = name.lower()
    if name in ("euc-kr", "ks_c_5601-1987", "ksc5601"):
        return "cp949"
    return None if name.startswith("utf-16") else name


def _parse(text: str) -> Any:
    try:
        from lxml import etree
        from lxml import html as lxml_html
    except ImportError as error:
        raise MissingDependencyError("indexing HTML", "lxml", "search") from error
    # Without huge_tree, what lies more than 256 elements deep is lost.
    parser = lxml_html.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        return lxml_html.document_fromstring(text.encode("utf-8"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise UnreadableError("no text") from error


class _Page:
    """Gathers inline text until a block begins or ends."""

    def __init__(self) -> None:
        self.builder = DocumentBuilder(Unit.LINE)
        self._pieces: list[str] = []
        self._line: int | None = None
        self._level: int | None = None

    def walk(self, root: Any) -> None:
        # Not by recursion: pages nest deeper than Python's stack.
        stack: list[tuple[Any, bool]] = [(root, False)]
        while stack:
            element, closing = stack.pop()
            name = element.tag
            if closing:
                if name in _BLOCKS:
                    self.flush()
                self._add(element.tail, element.sourceline)
                continue
            if name in _HIDDEN:
                self._add(element.tail, element.sourceline)
                continue
            if name in _BLOCKS:
                self.flush()
                if name[0] == "h" and name[1:].isdigit():
                    self._level = int(name[1:])
            if name in ("br", "td", "th"):
                self._pieces.append("\n" if name == "br" else " ")
            self._add(element.text, element.sourceline)
            stack.append((element, True))
            stack.extend((child, False) for child in reversed(element))

    def flush(self) -> None:
        lines = "".join(self._pieces).split("\n")
        text = "\n".join(line.strip() for line in lines).strip()
        self.builder.add(text, number=self._line, level=self._level)
        self._pieces, self._line, self._level = [], None, None

    def _add(self, text: str | None, line: int | None) -> None:
        if text:
            self._pieces.append(_SPACE.sub(" ", text))
            if self._line is None and text.strip():
                self._line = line
