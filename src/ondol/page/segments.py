"""What the segmentation tab asks for: the pieces of a text, and what a prune has made of them."""

from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tokenizers import Tokenizer

from ondol.serve.bodies import Body, read_body
from ondol.serve.endpoint import Endpoint
from ondol.serve.limits import Limits
from ondol.serve.request_errors import invalid
from ondol.vocab_prune.unigram import SPACE, UnigramVocabulary

#: Characters that are segmented at once, a few pages of a book.
MOST_CHARACTERS = 10_000


class Kind(Enum):
    """What a piece says about the vocabulary.

    A bundle holds the vocabulary that is left, and not the one it was pruned from: of a piece that
    stands here it cannot be said whether the whole vocabulary had a longer one. DROPPED is said
    of pieces of the whole vocabulary alone, if that is given.
    """

    PIECE = "piece"
    CHARACTER = "character"  # a single letter: no longer piece was chosen here
    UNKNOWN = "unknown"  # <unk>: the vocabulary does not have the character
    SPECIAL = "special"  # <s>, <mask>, …, written out in the text
    DROPPED = "dropped"  # of the whole vocabulary; the bundle's does not have it


@dataclass(frozen=True)
class Piece:
    """A piece of a text.

    Attributes:
        piece: as the vocabulary has it, with "▁" for a space; of an unknown one too, the text.
        id: its row.
        start, end: its characters in the text.
        byte_start, byte_end: its bytes in the text's UTF-8.
    """

    piece: str
    id: int
    start: int
    end: int
    byte_start: int
    byte_end: int
    kind: Kind


class Segmenter:
    """Segments text with one tokenizer.

    Args:
        path: a tokenizer.json with a Unigram vocabulary.
        kept: the vocabulary that was pruned from this one; None if this is the pruned one.

    Raises CheckpointError if it cannot be read.
    """

    def __init__(self, path: Path, *, kept: "UnigramVocabulary | None" = None) -> None:
        self.vocabulary = UnigramVocabulary.from_file(path)
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._kept = kept

    def __call__(self, text: str) -> list[Piece]:
        """The pieces of a text, without a prompt, `<s>` and `</s>`, however many they are."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        offsets = _byte_offsets(text)
        return [
            Piece(
                piece=text[start:end] if number == self.vocabulary.unk_id else piece,
                id=number,
                start=start,
                end=end,
                byte_start=offsets[start],
                byte_end=offsets[end],
                kind=self._kind(number, piece),
            )
            for number, piece, (start, end) in zip(
                encoding.ids, encoding.tokens, encoding.offsets, strict=True
            )
        ]

    def _kind(self, number: int, piece: str) -> Kind:
        if number == self.vocabulary.unk_id:
            return Kind.UNKNOWN
        if number in self.vocabulary.special_ids:
            return Kind.SPECIAL
        if self._kept is not None and piece not in self._kept.ids:
            return Kind.DROPPED
        letters = piece.removeprefix(SPACE)
        return Kind.CHARACTER if len(letters) == 1 and letters.isalpha() else Kind.PIECE


class SegmentBody(Body):
    """Of POST /ui/segments."""

    text: str = Field(description="a text")


class SegmentTab:
    """Segmentations of the bundle's tokenizer and, if it is given, of the whole one.

    Args:
        tokenizer: the bundle's.
        full: the tokenizer.json that it was pruned from, or None.

    Raises CheckpointError if one of them cannot be read.
    """

    def __init__(self, tokenizer: Path, full: Path | None, limits: Limits) -> None:
        self._pruned = Segmenter(tokenizer)
        self._full = None if full is None else Segmenter(full, kept=self._pruned.vocabulary)
        self._limits = limits

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        return [Endpoint("POST", "/segments", self.segment, "Page: segment a text", SegmentBody)]

    async def segment(self, request: Request) -> Response:
        """Pieces of both. Raises RequestError 400 for a text that is too long or no Unicode."""
        body = await read_body(request, SegmentBody, self._limits)
        if len(body.text) > MOST_CHARACTERS:
            raise invalid(
                f"the text has {len(body.text):,} characters; at most {MOST_CHARACTERS:,} are "
                "segmented at once"
            )
        return JSONResponse(
            {
                "pieces": [_as_json(piece) for piece in self._pruned(body.text)],
                "full": None
                if self._full is None
                else [_as_json(piece) for piece in self._full(body.text)],
            }
        )


def _byte_offsets(text: str) -> list[int]:
    """The offset in UTF-8 of each character of a text, and of its end."""
    offsets = [0]
    for character in text:
        offsets.append(offsets[-1] + len(character.encode()))
    return offsets


def _as_json(piece: Piece) -> dict[str, Any]:
    return asdict(piece) | {"kind": piece.kind.value}
