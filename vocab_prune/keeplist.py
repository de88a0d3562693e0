"""How often Korean and English text use the pieces of the XLM-R vocabulary: the default counts.

The numbers are data inside the package (`data/xlmr_counts.tsv.gz`), written by
`benchmarks/make_keeplist.py` from counted corpora and word lists. They are keyed by piece, not by
id, so they also fit an XLM-R vocabulary that was pruned before.
"""

import gzip
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from ondol.errors import InputError
from ondol.vocab_prune.alphabet import check_languages
from ondol.vocab_prune.count import PieceCounts
from ondol.vocab_prune.select import Rates
from ondol.vocab_prune.unigram import UnigramVocabulary

#: The numbers in the data file are occurrences in this many tokens of a language.
PER_TOKENS = 1_000_000_000

#: The vocabulary must hold pieces that make up this share of a language's tokens. XLM-R holds all;
#: a prune of it to 12,000 rows of Korean and English still holds 90%.
_MIN_COVERED = 0.7

#: Share of neighbouring known pieces that must stand in XLM-R's order. Every Unigram vocabulary is
#: sorted by score, but no two by the same: in another one many pairs are the other way round.
_MIN_ORDERED = 0.95

_FILE = "xlmr_counts.tsv.gz"


@dataclass(frozen=True)
class KeepList:
    """The content of the data file.

    Attributes:
        provenance: what was counted (see `make_keeplist.py`): sources with version, licence,
            weight, lines and tokens.
        pieces: every piece with a count, in XLM-R's id order.
        counts: for each language, (pieces,) float64: occurrences in PER_TOKENS tokens.
    """

    provenance: Mapping[str, Any]
    pieces: tuple[str, ...]
    counts: Mapping[str, Rates]


@cache
def load_keeplist() -> KeepList:
    """Read the counts inside the package."""
    content = (resources.files("ondol.vocab_prune.data") / _FILE).read_bytes()
    return parse_keeplist(content)


def dump_keeplist(keeplist: KeepList) -> bytes:
    """The content of a data file. The same keep-list gives the same bytes.

    gzip of UTF-8 lines: `#` and the provenance as JSON; the column names; then a row per piece.
    """
    languages = sorted(keeplist.counts)
    lines = [
        "#" + json.dumps(keeplist.provenance, ensure_ascii=False, sort_keys=True),
        "\t".join(["piece", *languages]),
    ]
    columns = [keeplist.counts[language] for language in languages]
    for row, piece in enumerate(keeplist.pieces):
        if "\t" in piece or "\n" in piece:
            raise InputError(f"piece {piece!r} holds a tab or a line break")
        numbers = [int(column[row]) for column in columns]
        lines.append("\t".join([piece, *(str(number) if number else "" for number in numbers)]))
    return gzip.compress(("\n".join(lines) + "\n").encode(), compresslevel=9, mtime=0)


def parse_keeplist(content: bytes) -> KeepList:
    """Read what `dump_keeplist` wrote. Raises InputError if it is damaged."""
    try:
        # Not splitlines(): XLM-R has pieces of U+0085 and of U+2028, which it would cut at.
        head, names, *rows = gzip.decompress(content).decode("utf-8").rstrip("\n").split("\n")
        languages = names.split("\t")[1:]
        provenance = json.loads(head.removeprefix("#"))
        cells = [row.split("\t") for row in rows]
        pieces = tuple(cell[0] for cell in cells)
        counts = {
            language: np.array([float(cell[column] or 0) for cell in cells])
            for column, language in enumerate(languages, 1)
        }
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise InputError(f"the counts of pieces are damaged: {error}") from error
    return KeepList(provenance, pieces, counts)


def default_rates(
    vocabulary: UnigramVocabulary, languages: Iterable[str], keeplist: KeepList | None = None
) -> dict[str, Rates]:
    """For each language, (vocabulary,) float64: how often each piece occurs, per token.

    keeplist: counts to use instead of those inside the package.

    Raises InputError if a language was not counted, or if the vocabulary is not XLM-R's, whole or
    pruned: then only the user's own text can tell which pieces are used.
    """
    counted = load_keeplist() if keeplist is None else keeplist
    wanted = check_languages(languages)
    rows = {piece: row for row, piece in enumerate(counted.pieces)}
    known = [(i, rows[piece]) for i, piece in enumerate(vocabulary.pieces) if piece in rows]
    ids = np.array([index for index, _ in known], dtype=np.int64)
    found = np.array([row for _, row in known], dtype=np.int64)

    pairs = list(itertools.pairwise(found.tolist()))
    ordered = sum(a < b for a, b in pairs) / max(len(pairs), 1)
    result = {}
    for language in wanted:
        if language not in counted.counts:
            raise InputError(f"the default counts know no {language!r}: pass --corpus FILE")
        counts = counted.counts[language]
        covered = float(counts[found].sum() / max(counts.sum(), 1.0))
        if covered < _MIN_COVERED or ordered < _MIN_ORDERED:
            raise InputError(
                "the default counts are for the XLM-R vocabulary, and this one of "
                f"{len(vocabulary):,} pieces is another: its pieces cover {covered:.1%} of "
                f"{language!r} text (expected at least {_MIN_COVERED:.0%}) and {ordered:.1%} of "
                f"them stand in XLM-R's order (expected at least {_MIN_ORDERED:.0%}). Count your "
                "own text instead: pass --corpus FILE"
            )
        rates = np.zeros(len(vocabulary))
        rates[ids] = counts[found] / counts.sum()
        result[language] = rates
    return result


def corpus_rates(counts: PieceCounts) -> Rates:
    """(vocabulary,) float64: how often each piece occurs, per token counted.

    Raises InputError if nothing was counted.
    """
    if counts.total_tokens == 0:
        raise InputError("the corpus holds no text: nothing was counted")
    return counts.tokens / counts.total_tokens


def merge_rates(
    default: Mapping[str, Rates], corpus: Rates, share: float = 0.5
) -> dict[str, Rates]:
    """The default rates of each language with `share` of them replaced by the user's own text.

    At a half, a piece that occurs once in the user's 100,000 tokens ranks with one that occurs
    once in 100,000 tokens of general text; pieces that only general text uses keep their order.

    Raises InputError if `share` is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share of the corpus: expected 0 to 1, got {share}")
    return {language: (1 - share) * rates + share * corpus for language, rates in default.items()}
