"""PDF: the text of its pages, as pypdf extracts it."""

import io
import logging
import unicodedata

from ondol.errors import MissingDependencyError
from ondol.search.document import Document, DocumentBuilder, Unit, UnreadableError
from ondol.search.readers.plain import paragraphs


def read(content: bytes) -> Document:
    """A PDF that opens without a password. Raises MissingDependencyError."""
    try:
        import pypdf
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise MissingDependencyError("indexing PDF", "pypdf", "search") from error
    # It warns of every oddity of a file; what matters here is whether text comes out.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    builder = DocumentBuilder(Unit.PAGE)
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableError("encrypted PDF")
        for number, page in enumerate(reader.pages, 1):
            text = unicodedata.normalize("NFC", page.extract_text())
            for block in paragraphs(text):
                builder.add(text[block.start : block.end], number=number)
    except UnreadableError:
        raise
    except pypdf.errors.DependencyError as error:
        raise UnreadableError("encrypted PDF") from error
    except (PyPdfError, ArithmeticError, AttributeError, LookupError, RecursionError,
            TypeError, ValueError) as error:  # fmt: skip
        # What a damaged file raises inside pypdf is not only of its own tree.
        raise UnreadableError(f"damaged PDF ({type(error).__name__})") from error
    return builder.document()
