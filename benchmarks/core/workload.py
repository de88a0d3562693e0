"""The texts that are embedded: Korean and English lines that come with the package, put together.

They were written for this project; models are neither calibrated nor compared on the texts made
here, so only speed and memory are measured with them.
"""

import random
from collections.abc import Callable, Mapping, Sequence

from ondol.errors import InputError
from ondol.vocab_prune.verify import verification_lines

#: Tokens of the single texts whose latency is measured, `<s>` and `</s>` included.
LENGTHS = (16, 64, 256, 512)

#: The mixed workload: what a search box gets, and what is indexed.
QUERIES, PASSAGES = 48, 16
_QUERY_WORDS = (2, 8)
_PASSAGE_LINES = (3, 9)

_LANGUAGES = ("ko", "en")
_SEED = 20261124

#: Tokens of each of some texts, special tokens included.
CountTokens = Callable[[Sequence[str]], Sequence[int]]


def mixed_texts() -> list[str]:
    """QUERIES short and PASSAGES long texts in a mixed order, half Korean and half English.

    The same ones at every call. A query is some words of a line, a passage some lines.
    """
    rng = random.Random(_SEED)
    lines = verification_lines()
    texts = []
    for number in range(QUERIES):
        words = rng.choice(lines[_LANGUAGES[number % 2]]).split()
        texts.append(" ".join(words[: rng.randint(*_QUERY_WORDS)]))
    for number in range(PASSAGES):
        chosen = rng.sample(lines[_LANGUAGES[number % 2]], rng.randint(*_PASSAGE_LINES))
        texts.append(" ".join(chosen))
    rng.shuffle(texts)
    return texts


def single_texts(count_tokens: CountTokens, max_tokens: int) -> Mapping[int, str]:
    """One text for each of LENGTHS that the model takes, by its tokens.

    A model that takes not even the shortest gets one text of its maximum. Raises InputError if the
    tokenizer segments so that no text has exactly that many tokens.
    """
    lines = verification_lines()
    words = [word for language in _LANGUAGES for line in lines[language] for word in line.split()]
    random.Random(_SEED).shuffle(words)
    lengths = [length for length in LENGTHS if length <= max_tokens] or [max_tokens]
    return {length: text_of_length(count_tokens, words, length) for length in lengths}


def text_of_length(count_tokens: CountTokens, words: Sequence[str], tokens: int) -> str:
    """Words, in their order, that have exactly `tokens` tokens together.

    Words that no longer fit are left out. Raises InputError if the words do not make up `tokens`.
    """
    (special,) = count_tokens([""])
    chosen: list[str] = []
    room = tokens - special
    # Words are segmented one by one, so their numbers of tokens add up; checked below.
    for word, size in zip(words, count_tokens(words), strict=True):
        if 0 < size - special <= room:
            chosen.append(word)
            room -= size - special
        if room == 0:
            break
    text = " ".join(chosen)
    (found,) = count_tokens([text])
    if found != tokens:
        raise InputError(
            f"expected words that have {tokens} tokens together, found {found}; give more words"
        )
    return text
