"""Text to the terms of the word index: Korean by pairs of syllables, the rest by stems.

A Korean word carries its particles, so that whole words seldom match, and FTS5's trigrams do not
find a word of two syllables, which most are. Overlapping pairs find both, and are the usual unit of
Korean retrieval without a dictionary (Lee and Ahn 1996; Lucene's CJKAnalyzer does the same).
benchmarks/search_quality.py measures them beside trigrams.
"""

import re
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ondol.errors import MissingDependencyError

#: Hangul syllables; kana and Hanja; else letters and digits of any script.
_RUN = re.compile(r"[가-힣]+|[ぁ-ヿ㐀-鿿]+|[^\W_가-힣ぁ-ヿ㐀-鿿]+")
_FIRST_PAIRED = "ぁ"

#: A stemmer keeps the word it is at in itself.
_STEMMING = threading.Lock()


@dataclass(frozen=True)
class Term:
    """A term and the characters it was made of, `text[start:end]`."""

    value: str
    start: int
    end: int


def terms(text: str) -> Iterator[Term]:
    """The terms of a composed text, in order. A lone syllable is a term of its own."""
    for found in _RUN.finditer(text):
        run, start = found.group(), found.start()
        if run[0] < _FIRST_PAIRED:
            yield Term(_stem(run), start, found.end())
        elif len(run) == 1:
            yield Term(run, start, start + 1)
        else:
            for n in range(len(run) - 1):
                yield Term(run[n : n + 2], start + n, start + n + 2)


def indexed(text: str) -> str:
    """The terms as the word index stores them, with spaces between."""
    return " ".join(term.value for term in terms(text))


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    # Case folding can decompose a letter (İ), and a mark would end the term in the index.
    folded = unicodedata.normalize("NFC", word.casefold())
    if not folded.isascii():
        return folded
    with _STEMMING:
        return str(_stemmer().stemWord(folded))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    try:
        import snowballstemmer
    except ImportError as error:
        raise MissingDependencyError("a word index", "snowballstemmer", "search") from error
    # Porter's own revision of his stemmer (snowballstem.org).
    return snowballstemmer.stemmer("english")
