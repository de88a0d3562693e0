"""Texts to token ids, exactly as the reference tokenizer gives them."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tokenizers import Encoding, Tokenizer

from ondol.errors import BundleError, InputError
from ondol.runtime.ranking import checked_pair
from ondol.runtime.tokenizer_check import check_tokenizer, steps

#: The normal forms that `normalize=` accepts (Unicode Standard Annex 15).
NormalForm = Literal["NFC", "NFKC"]
NORMAL_FORMS: tuple[NormalForm, ...] = get_args(NormalForm)

#: What is tokenized of a long text, in characters for each token that the model takes. Text of
#: words has 1.5 to 5 of them. The tokenizer itself tokenizes everything before it truncates: a text
#: of 10 MB took it 0.9 GB.
_CHARACTERS_PER_TOKEN = 32

_WORD_END = re.compile(r"[!-~가-힣](?= )")


@dataclass(frozen=True)
class Tokenized:
    """Token ids per text, special tokens included.

    Attributes:
        ids: one sequence per text, at most the model's maximum long.
        truncated: indices of the texts that were cut to the maximum.
    """

    ids: tuple[tuple[int, ...], ...]
    truncated: tuple[int, ...]


class TextTokenizer:
    """The bundle's tokenizer.json with truncation to the model's maximum.

    Args:
        max_tokens: the longest result, special tokens included.
        normal_form: "NFC" or "NFKC" applied to every text first, or None to take texts as they
            are. The reference does not compose decomposed Hangul, so None is what gives parity.
    """

    def __init__(
        self, path: Path, *, max_tokens: int, normal_form: NormalForm | None = None
    ) -> None:
        if normal_form is not None and normal_form not in NORMAL_FORMS:
            raise InputError(
                f"normalize is {normal_form!r}; expected None or one of {', '.join(NORMAL_FORMS)}"
            )
        self._path = path
        with self._faults("cannot read the tokenizer"):
            self._tokenizer = Tokenizer.from_file(str(path))
        check_tokenizer(self._tokenizer, path)
        with self._faults("cannot use the tokenizer"):
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(max_tokens)
        self._normal_form = normal_form
        self._most_characters = _CHARACTERS_PER_TOKEN * max_tokens
        self._splits_words = any(
            step["type"] == "WhitespaceSplit" or (step["type"] == "Metaspace" and step["split"])
            for step in steps(self._tokenizer.pre_tokenizer)
        )

    @property
    def rows(self) -> int:
        """The number of entries, special tokens included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def __call__(
        self, texts: Sequence[str], *, prefix: str = "", first_index: int = 0
    ) -> Tokenized:
        """Tokenize texts, each with `prefix` (a prompt) before it.

        `first_index` is the index of texts[0] in the caller's own list, for messages.

        Raises InputError, with the text's index, for anything that is not a string or that holds
        a lone surrogate, which no encoding can represent.
        """
        prepared = [prefix + self._prepare(text, first_index + i) for i, text in enumerate(texts)]
        heads = [self._head(text) for text in prepared]
        encodings = self._encoded(heads)
        # Too few tokens in so many characters: blanks, or pieces that the tokenizer drops.
        again = [
            index
            for index, encoding in enumerate(encodings)
            if len(heads[index]) < len(prepared[index]) and not encoding.overflowing
        ]
        for index, encoding in zip(
            again, self._encoded([prepared[index] for index in again]), strict=True
        ):
            encodings[index] = encoding
        return _tokenized(encodings)

    def pairs(self, pairs: Sequence[Sequence[str]], *, first_index: int = 0) -> Tokenized:
        """Tokenize pairs of a query and a document, joined as the tokenizer's post-processor says.

        A pair that is too long loses tokens of its longer text first, as transformers'
        "longest_first", which sentence-transformers' CrossEncoder uses.

        Raises InputError, with the pair's index, for anything but two strings.
        """
        prepared = []
        for number, pair in enumerate(pairs, first_index):
            query, document = checked_pair(pair, number)
            prepared.append(
                (self._prepare(query, number, "query"), self._prepare(document, number, "document"))
            )
        return _tokenized(self._encoded(prepared))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in `text` of each of its tokens, special ones and any maximum left aside.

        Raises InputError as calling does. A normal form, if there is one, moves the spans: they
        are then those of the normalized text.
        """
        encoding = self._tokenizer.encode(self._prepare(text, 0), add_special_tokens=False)
        # What lies beyond the maximum comes in further windows.
        return [span for window in (encoding, *encoding.overflowing) for span in window.offsets]

    def _prepare(self, text: object, index: int, what: str = "text") -> str:
        if not isinstance(text, str):
            raise InputError(f"{what} {index} is of type {type(text).__name__}; expected str")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                f"{what} {index} holds a lone surrogate (U+{ord(text[error.start]):04X}) at "
                f"character {error.start}; decode it with errors='replace' or remove it"
            ) from error
        return unicodedata.normalize(self._normal_form, text) if self._normal_form else text

    def _head(self, text: str) -> str:
        """The beginning of a long text, whose tokens are those that the whole text begins with.

        It ends before a space, as words are segmented one by one; and after a character that does
        not join with what follows, which the charsmap would replace together with it (Unicode
        Standard Annex 29, GB9b). All of a text without such a place.
        """
        most = self._most_characters
        if len(text) <= most or not self._splits_words:
            return text
        place = next(_WORD_END.finditer(text, most // 2, most), None)
        return text if place is None else text[: place.end()]

    def _encoded(self, prepared: Sequence[str] | Sequence[tuple[str, str]]) -> list[Encoding]:
        with self._faults("cannot use the tokenizer"):
            return list(self._tokenizer.encode_batch_fast(prepared))

    @contextmanager
    def _faults(self, what: str) -> Iterator[None]:
        """Raises BundleError for what tokenizers raises: bare Exceptions, and panics."""
        try:
            yield
        except BaseException as error:
            # A panic of its Rust code is no Exception (pyo3.rs, "Error handling").
            if not (isinstance(error, Exception) or type(error).__name__ == "PanicException"):
                raise
            raise BundleError(f"{what} {self._path}: {error}; copy the bundle again") from error


def _tokenized(encodings: Sequence[Encoding]) -> Tokenized:
    return Tokenized(
        ids=tuple(tuple(encoding.ids) for encoding in encodings),
        truncated=tuple(i for i, encoding in enumerate(encodings) if encoding.overflowing),
    )
