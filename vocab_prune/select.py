"""Choose the rows of a smaller vocabulary: a pure function of counts, rules and a wanted size.

A text keeps its segmentation if, and in practice only if, every piece of it is kept. Nothing else
matters: scores and order stay. So each piece is worth how often it occurs, and the pieces are
taken in the order of that rate, with two corrections against unknown characters:

1. a piece of the alphabet (see `alphabet.py`) counts as if it occurred at least once in a million
   tokens, so that the whole alphabet is inside wherever there is room for it;
2. a piece of one character counts CHARACTER_WEIGHT times: without it the character becomes
   `<unk>` and its meaning is lost, while a longer piece merely splits.

One order serves every size: a smaller selection is always a subset of a larger one.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ondol.errors import InputError
from ondol.vocab_prune.unigram import UnigramVocabulary

#: Default number of rows, special tokens included.
DEFAULT_SIZE = 48_000

#: How much more a character weighs than a longer piece of the same rate. Measured on held-out
#: Korean text at 41,348 rows: 1 gains 1.3 `<unk>` per 10,000 tokens, 3 gains 0.4, 16 gains as many
#: and costs 0.1 points of identical lines in Korean and 1 in English.
CHARACTER_WEIGHT = 3.0

#: Rate, per token, that a piece of the alphabet has at least. Once in a million tokens keeps the
#: whole alphabet of Korean and English from 34,401 rows
#: on (its single characters without ▁ from 25,768 on).
ALPHABET_RATE = 1e-6

Rates = NDArray[np.float64]


@dataclass(frozen=True)
class Selection:
    """The pieces to keep, and why.

    Attributes:
        kept: ids in the full vocabulary, ascending: the order of the pieces does not change.
        wanted: the size asked for; `len(kept)` is smaller if fewer pieces are of any use.
        required: rows for special tokens and the piece that carries the lowest score.
        alphabet: rows kept of the alphabet, whether counted or not.
        counted: further rows, kept because they were counted.
        alphabet_dropped: pieces of the alphabet for which there was no room, most useful first.
        counted_dropped: pieces that were counted, but for which there was no room, most useful
            first.
        lost_rate: for each language, the share of its tokens that the dropped pieces make up, by
            the rates the choice was made with.
    """

    kept: tuple[int, ...]
    wanted: int
    required: int
    alphabet: int
    counted: int
    alphabet_dropped: tuple[int, ...]
    counted_dropped: tuple[int, ...]
    lost_rate: Mapping[str, float]


def select(
    vocabulary: UnigramVocabulary,
    alphabet: Set[int],
    rates: Mapping[str, Rates],
    size: int = DEFAULT_SIZE,
) -> Selection:
    """Choose at most `size` pieces, special tokens included.

    alphabet: ids that the languages need by rule.
    rates: for each language, (vocabulary,) float64: how often each piece occurs, per token of that
        language's text. Languages count alike. Only pieces of the alphabet, and pieces with a
        rate above 0, are ever kept: rows that no text uses are not filled in.

    Raises InputError if `size` has no room for the special tokens, the lowest-scored piece (see
    `UnigramVocabulary.lowest_scored`) and one more, if `rates` is empty, or if an array does not
    fit the vocabulary or holds anything but finite numbers of 0 or more.
    """
    required = vocabulary.special_ids | {vocabulary.lowest_scored}
    if size <= len(required):
        raise InputError(
            f"vocabulary size {size:,} is too small: {len(required)} rows are special tokens and "
            f"the lowest-scored piece, so at least {len(required) + 1} are needed"
        )
    rate = _total(vocabulary, rates)
    order = [
        index for index in priority(vocabulary, alphabet, rate).tolist() if index not in required
    ]
    room = size - len(required)
    chosen, dropped = order[:room], order[room:]
    kept = tuple(sorted(required.union(chosen)))
    outside = np.ones(len(vocabulary), bool)
    outside[list(kept)] = False
    return Selection(
        kept=kept,
        wanted=size,
        required=len(required),
        alphabet=sum(index in alphabet for index in chosen),
        counted=sum(index not in alphabet for index in chosen),
        alphabet_dropped=tuple(index for index in dropped if index in alphabet),
        counted_dropped=tuple(index for index in dropped if rate[index] > 0),
        lost_rate={
            language: float(values[outside].sum()) for language, values in sorted(rates.items())
        },
    )


def priority(vocabulary: UnigramVocabulary, alphabet: Set[int], rate: Rates) -> NDArray[np.int64]:
    """Ids worth keeping, most useful first: the alphabet, and every id whose rate is above 0.

    rate: (vocabulary,) float64. Of equals the lower id comes first, which has the higher score.
    """
    by_rule = np.zeros(len(vocabulary), bool)
    by_rule[list(alphabet)] = True
    # Without ▁가 a word that starts with it is ▁ and 가: only the bare character saves an <unk>.
    bare = np.array([len(piece) == 1 for piece in vocabulary.pieces], bool)
    worth = np.where(by_rule, np.maximum(rate, ALPHABET_RATE), rate)
    worth = np.where(bare, CHARACTER_WEIGHT * worth, worth)
    ids = np.arange(len(vocabulary))
    order = np.lexsort((ids, -worth))  # the last key counts first
    return order[worth[order] > 0]


def _total(vocabulary: UnigramVocabulary, rates: Mapping[str, Rates]) -> Rates:
    if not rates:
        raise InputError("no counts were given: nothing says which pieces are used")
    for language, values in rates.items():
        if values.shape != (len(vocabulary),):
            raise InputError(
                f"counts for {language!r} have shape {values.shape}; the vocabulary has "
                f"{len(vocabulary):,} pieces"
            )
        if not np.isfinite(values).all() or (values < 0).any():
            raise InputError(f"counts for {language!r} hold a negative number or NaN")
    total = np.zeros(len(vocabulary))
    for values in rates.values():
        total += values
    return total
