"""Plain-text output: tables that line up, and standard output in UTF-8 whatever the locale."""

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ondol.errors import OutputError


def emit(text: str) -> None:
    """Write a result to standard output, as UTF-8 so that a pipe carries Korean everywhere."""
    output = StandardOutput()
    output.flush()
    output.write(text.encode("utf-8"))
    output.flush()


class StandardOutput:
    """The bytes of standard output.

    Raises OutputError where they cannot be written, and BrokenPipeError as it is: the reader has
    had enough, which is no error.
    """

    def write(self, data: bytes) -> None:
        with _reported():
            sys.stdout.buffer.write(data)

    def flush(self) -> None:
        with _reported():
            sys.stdout.flush()


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror}") from error


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart, the first flush left, those whose cells are numbers flush right."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(_width(cell) for cell in column) for column in columns]
    right = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    lines = []
    for row in (header, *rows):
        cells = [
            " " * (width - _width(cell)) + cell if flush else cell + " " * (width - _width(cell))
            for cell, width, flush in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def counted(number: int, noun: str) -> str:
    """`1 text`, `2,000 texts`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _is_number(cell: str) -> bool:
    if cell in ("", "-"):
        return True
    for sign in (",", ".", "e-", "%"):
        cell = cell.replace(sign, "")
    return cell.isdigit()


def _width(text: str) -> int:
    """Columns on a terminal: Hangul and Hanja take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
