"""Which pieces a language needs by rule, whatever was counted: its alphabet.

A text whose characters all have a piece never gains an unknown token, so the pieces of a single
character come first. Korean also keeps every piece with Hangul: few other languages use the
script, so each of them is Korean, and there are no more than a few thousand.

Hanja (Korean text uses thousands of the vocabulary's CJK characters, but far from all), kana and
Cyrillic letters are not here: those that occur are counted (`keeplist.py`).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable

from ondol.errors import InputError
from ondol.vocab_prune.unigram import SPACE, UnigramVocabulary

#: Languages with a rule.
LANGUAGES = ("en", "ko")

_Ranges = tuple[tuple[int, int], ...]

#: Code point ranges, first and last, of the Unicode 15 blocks that hold Hangul.
_HANGUL: _Ranges = (
    (0x1100, 0x11FF),  # Jamo; NFKC, as in the XLM-R normalizer, writes ㅋ as U+110F
    (0x3130, 0x318F),  # Compatibility Jamo
    (0x3200, 0x321E),  # parenthesised
    (0x3260, 0x327F),  # circled
    (0xA960, 0xA97F),  # Jamo Extended-A
    (0xAC00, 0xD7FF),  # syllables, Jamo Extended-B
    (0xFFA0, 0xFFDC),  # half-width
)

#: Characters of English and Korean text alike.
_COMMON: _Ranges = (
    (0x0021, 0x024F),  # ASCII, Latin-1 Supplement, Latin Extended-A and -B
    (0x0250, 0x02FF),  # phonetic alphabet, modifier letters
    (0x0300, 0x036F),  # combining diacritics
    (0x0370, 0x03FF),  # Greek: mathematics, units, names
    (0x1D00, 0x1DBF),  # phonetic extensions
    (0x1E00, 0x1EFF),  # Latin Extended Additional
    (0x2000, 0x206F),  # General Punctuation, zero width joiner
    (0x2070, 0x209F),  # superscripts and subscripts
    (0x20A0, 0x20CF),  # currency
    (0x20D0, 0x20FF),  # combining marks for symbols (keycaps)
    (0x2100, 0x214F),  # letterlike
    (0x2150, 0x218F),  # number forms
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # mathematical operators
    (0x2300, 0x23FF),  # technical
    (0x2400, 0x245F),  # control pictures, optical character recognition
    (0x2460, 0x24FF),  # enclosed alphanumerics
    (0x2500, 0x259F),  # box drawing, block elements
    (0x25A0, 0x25FF),  # geometric shapes
    (0x2600, 0x27BF),  # miscellaneous symbols, dingbats
    (0x27C0, 0x27FF),  # mathematical symbols A, arrows A
    (0x2900, 0x2BFF),  # arrows B, mathematical symbols B, symbols and arrows
    (0x2C60, 0x2C7F),  # Latin Extended-C
    (0x2E00, 0x2E7F),  # Supplemental Punctuation
    (0xA720, 0xA7FF),  # Latin Extended-D
    (0xAB30, 0xAB6F),  # Latin Extended-E
    (0xFB00, 0xFB06),  # Latin ligatures
    (0xFE00, 0xFE0F),  # variation selectors (emoji style)
    (0xFFFC, 0xFFFD),  # object replacement, replacement character
    (0x1D400, 0x1D7FF),  # mathematical alphanumerics
    (0x1F000, 0x1FAFF),  # emoji, flags, skin tones
    (0xE0020, 0xE007F),  # tags (flags of regions)
)

#: Characters of Korean text beyond the common ones and Hangul.
_KOREAN: _Ranges = (
    (0x3000, 0x303F),  # CJK punctuation: 「」『』《》
    (0x3220, 0x325F),  # enclosed ideographs and numbers
    (0x3280, 0x33FF),  # circled ideographs, units
    (0xFE10, 0xFE19),  # vertical forms
    (0xFE30, 0xFE6F),  # compatibility and small forms
    (0xFF01, 0xFF9F),  # full-width forms
    (0xFFE0, 0xFFEF),  # full-width signs
)


class _CodePoints:
    """A set of code points given as disjoint ranges."""

    def __init__(self, *groups: _Ranges) -> None:
        ranges = sorted(pair for group in groups for pair in group)
        self._first = [first for first, _ in ranges]
        self._last = [last for _, last in ranges]

    def __contains__(self, character: str) -> bool:
        index = bisect_right(self._first, ord(character)) - 1
        return index >= 0 and ord(character) <= self._last[index]


# A pattern: it is looked for in every piece of the vocabulary.
_HANGUL_CHARACTER = re.compile(
    "[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _HANGUL) + "]"
)
_CHARACTERS = {"en": _CodePoints(_COMMON), "ko": _CodePoints(_COMMON, _KOREAN, _HANGUL)}


def has_hangul(text: str) -> bool:
    """Whether a character of `text` is a Hangul syllable or jamo, of whatever width or form."""
    return _HANGUL_CHARACTER.search(text) is not None


def is_character(piece: str) -> bool:
    """Whether `piece` is a single character, a leading `▁` aside; `▁` itself is one."""
    return len(piece) == 1 or (len(piece) == 2 and piece[0] == SPACE)


def alphabet_pieces(vocabulary: UnigramVocabulary, languages: Iterable[str]) -> frozenset[int]:
    """Ids of the pieces that `languages` need by rule. Special tokens are not among them.

    English: each single character, with and without a leading `▁`, that is Latin, Greek, a digit,
    punctuation, a symbol or an emoji, and `▁` itself. Korean: the same, CJK punctuation, and every
    piece of any length with Hangul.

    Raises InputError if `languages` is empty or names a language without a rule.
    """
    wanted = check_languages(languages)
    kept: set[int] = set()
    for index, piece in enumerate(vocabulary.pieces):
        if index in vocabulary.special_ids:
            continue
        if is_character(piece):
            body = piece[-1]
            if body == SPACE or any(body in _CHARACTERS[language] for language in wanted):
                kept.add(index)
        elif "ko" in wanted and has_hangul(piece):
            kept.add(index)
    return frozenset(kept)


def check_languages(languages: Iterable[str]) -> tuple[str, ...]:
    """The languages, sorted, each once. Raises InputError if there is none or one has no rule."""
    wanted = tuple(sorted(set(languages)))
    unknown = [language for language in wanted if language not in LANGUAGES]
    if unknown or not wanted:
        raise InputError(
            f"languages: expected some of {', '.join(LANGUAGES)}, got "
            f"{', '.join(unknown) or 'none'}"
        )
    return wanted
