"""Count how often real text uses each piece of a vocabulary."""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ondol.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Characters tokenized at once. It bounds the memory; a longer line is cut at a space.
BATCH_CHARACTERS = 1 << 20


@dataclass(frozen=True)
class PieceCounts:
    """What counting found.

    Attributes:
        tokens: (vocabulary,) int64, how often each id occurred.
        lines: (vocabulary,) int64, how many lines each id occurred in.
        total_lines: lines that held at least one token.
        sources: names of the files that were counted.
    """

    tokens: NDArray[np.int64]
    lines: NDArray[np.int64]
    total_lines: int
    sources: tuple[str, ...] = field(default=())

    @property
    def total_tokens(self) -> int:
        """Tokens counted, special tokens around a line left out."""
        return int(self.tokens.sum())

    def __add__(self, other: "PieceCounts") -> "PieceCounts":
        """Both counts together. Raises InputError if they are of different vocabularies."""
        if self.tokens.shape != other.tokens.shape:
            raise InputError(
                f"counts of different vocabularies: {len(self.tokens):,} and "
                f"{len(other.tokens):,} pieces"
            )
        return PieceCounts(
            self.tokens + other.tokens,
            self.lines + other.lines,
            self.total_lines + other.total_lines,
            self.sources + other.sources,
        )


def count_files(
    tokenizer: "Tokenizer", paths: Sequence[Path], *, progress: bool = True
) -> PieceCounts:
    """Count the pieces of text files, one text per line, UTF-8, plain or gzip (`*.gz`).

    A file may be of any size: it is read as a stream. `progress` shows a bar on standard error.

    Raises InputError if a file is missing, is no UTF-8 text or damaged, or if all hold no text.
    """
    paths = [Path(path) for path in paths]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"corpus file not found: {', '.join(missing)}")
    size = _vocabulary_size(tokenizer)
    total = PieceCounts(np.zeros(size, np.int64), np.zeros(size, np.int64), 0)
    for path in paths:
        with tqdm(
            desc=f"counting {path.name}", unit=" lines", unit_scale=True, disable=not progress
        ) as bar:
            counted = count_texts(tokenizer, _watched(_read_lines(path), bar))
        total += PieceCounts(counted.tokens, counted.lines, counted.total_lines, (path.name,))
    if not total.total_lines:
        raise InputError(f"no text in {', '.join(map(str, paths)) or 'an empty list of files'}")
    return total


def count_texts(tokenizer: "Tokenizer", texts: Iterable[str]) -> PieceCounts:
    """Count the pieces of `texts`, without the special tokens that an encoder puts around them."""
    size = _vocabulary_size(tokenizer)
    tokens = np.zeros(size, np.int64)
    lines = np.zeros(size, np.int64)
    total_lines = 0
    for batch in _batches(texts):
        # A long line was cut into parts: they are one line.
        encodings = tokenizer.encode_batch_fast(
            [part for parts in batch for part in parts], add_special_tokens=False
        )
        remaining = iter(encodings)
        for parts in batch:
            ids = np.array(
                [token for e in islice(remaining, len(parts)) for token in e.ids], dtype=np.int64
            )
            if not ids.size:
                continue
            used, counts = np.unique(ids, return_counts=True)
            tokens[used] += counts
            lines[used] += 1
            total_lines += 1
    return PieceCounts(tokens, lines, total_lines)


def _vocabulary_size(tokenizer: "Tokenizer") -> int:
    return int(tokenizer.get_vocab_size(with_added_tokens=True))


def _read_lines(path: Path) -> Iterator[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opener(path, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):  # noqa: B007 (the errors state it)
                yield str(line).rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text after line {number:,} ({error.reason}); convert it first"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read after line {number:,}: {error}") from error


def _watched(lines: Iterable[str], bar: "tqdm[None]") -> Iterator[str]:
    for line in lines:
        yield line
        bar.update()


def _batches(texts: Iterable[str]) -> Iterator[list[list[str]]]:
    """Lists of lines of about BATCH_CHARACTERS together; each line as its parts."""
    batch: list[list[str]] = []
    characters = 0
    for text in texts:
        batch.append(_parts(text))
        # A short line costs memory too: its object, its encoding.
        characters += len(text) + 64
        if characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _parts(text: str) -> list[str]:
    """`text` in parts of at most BATCH_CHARACTERS, cut at spaces where there are any.

    Words are segmented one by one, so a cut at a space changes no piece.
    """
    parts = []
    while len(text) > BATCH_CHARACTERS:
        cut = text.rfind(" ", 1, BATCH_CHARACTERS)
        cut = cut if cut > 0 else BATCH_CHARACTERS
        parts.append(text[:cut])
        text = text[cut:]
    parts.append(text)
    return parts
