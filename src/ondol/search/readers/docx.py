"""DOCX: paragraphs, headings and tables of the body, in order."""

import io
import re
import unicodedata
import zipfile
from typing import Any

from ondol.errors import MissingDependencyError
from ondol.search.document import Document, DocumentBuilder, Unit, UnreadableError

#: python-docx gives the built-in styles these names in every language of Word.
_HEADING = re.compile(r"Heading (\d)$")


def read(content: bytes) -> Document:
    """A Word document; its text has neither lines nor pages. Raises MissingDependencyError."""
    try:
        import docx
        from docx.opc.exceptions import PackageNotFoundError
        from docx.table import Table
        from lxml import etree
    except ImportError as error:
        raise MissingDependencyError("indexing DOCX", "python-docx", "search") from error
    builder = DocumentBuilder(Unit.NONE)
    try:
        for item in docx.Document(io.BytesIO(content)).iter_inner_content():
            if isinstance(item, Table):
                builder.add(_composed("\n".join(_row(row) for row in item.rows)))
            else:
                builder.add(_composed(item.text), level=_level(item))
    except (zipfile.BadZipFile, PackageNotFoundError, etree.XMLSyntaxError, KeyError,
            ValueError) as error:  # fmt: skip
        # An encrypted DOCX is an OLE file around the archive.
        encrypted = content.startswith(b"\xd0\xcf\x11\xe0")
        reason = "encrypted DOCX" if encrypted else f"damaged DOCX ({type(error).__name__})"
        raise UnreadableError(reason) from error
    return builder.document()


def _row(row: Any) -> str:
    texts = [" ".join(cell.text.split()) for cell in row.cells]
    # A merged cell comes once for each column it spans.
    return " | ".join(text for n, text in enumerate(texts) if n == 0 or text != texts[n - 1])


def _level(paragraph: Any) -> int | None:
    name = paragraph.style.name if paragraph.style is not None else ""
    if name == "Title":
        return 0
    found = _HEADING.match(name or "")
    return int(found.group(1)) if found else None


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
