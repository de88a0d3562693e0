"""A SentencePiece-Unigram vocabulary as `tokenizer.json` stores it (Hugging Face `tokenizers`)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from ondol.errors import CheckpointError
from ondol.json_files import read_json

#: SentencePiece writes a space as U+2581 LOWER ONE EIGHTH BLOCK.
SPACE = "▁"

#: A tokenizer.json of 250,000 pieces has 17 MB.
_MAX_BYTES = 2**28


def load_tokenizer(tokenizer: Mapping[str, Any]) -> Tokenizer:
    """The content of a tokenizer.json as a tokenizer that gives all tokens of a text and no more.

    Published files often carry the truncation and padding of the training run that saved them.
    """
    loaded = Tokenizer.from_str(json.dumps(tokenizer))
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


@dataclass(frozen=True)
class UnigramVocabulary:
    """Pieces, scores and special ids of a Unigram tokenizer. The id of a piece is its position.

    Attributes:
        pieces: every piece, special tokens included, in id order.
        scores: the log probability of each piece, natural logarithm, in id order.
        unk_id: id of the piece that stands for an unknown character.
        special_ids: ids that the tokenizer treats as whole tokens (`<s>`, `<pad>`, …, `<mask>`),
            and `unk_id`. They are kept by every prune.
    """

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    unk_id: int
    special_ids: frozenset[int]

    @classmethod
    def from_json(cls, tokenizer: Mapping[str, Any]) -> "UnigramVocabulary":
        """Read the parsed content of a tokenizer.json.

        Raises CheckpointError if the model is not Unigram, falls back to bytes, has no unknown
        piece, holds a piece twice, or if an added token is not the vocabulary's entry of its id.
        """
        model = tokenizer.get("model")
        if not isinstance(model, dict) or model.get("type") != "Unigram":
            found = model.get("type") if isinstance(model, dict) else None
            raise CheckpointError(
                f"tokenizer.json holds a {found or 'missing'} model; pruning supports "
                "SentencePiece-Unigram vocabularies (the XLM-RoBERTa family)"
            )
        if model.get("byte_fallback"):
            raise CheckpointError(
                "tokenizer.json falls back to bytes for unknown characters; pruning supports "
                "Unigram vocabularies with an unknown piece (the XLM-RoBERTa family)"
            )
        try:
            pieces = tuple(str(piece) for piece, _ in model["vocab"])
            scores = tuple(float(score) for _, score in model["vocab"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"tokenizer.json: its vocabulary is no list of pieces with scores ({error!r})"
            ) from error
        unk_id = model.get("unk_id")
        if not isinstance(unk_id, int) or not 0 <= unk_id < len(pieces):
            raise CheckpointError(
                f"tokenizer.json: unk_id is {unk_id!r}; expected an id below {len(pieces):,}"
            )
        if len(set(pieces)) != len(pieces):
            raise CheckpointError("tokenizer.json holds a piece twice; ids would be ambiguous")
        try:
            tokens = tokenizer.get("added_tokens", ())
            added = {int(token["id"]): token["content"] for token in tokens}
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"tokenizer.json: its added_tokens are no list of tokens with ids ({error!r})"
            ) from error
        for index, content in added.items():
            if not 0 <= index < len(pieces) or pieces[index] != content:
                raise CheckpointError(
                    f"tokenizer.json: added token {content!r:.80} has id {index}, which is not its "
                    "entry in the Unigram vocabulary; such tokenizers are not supported"
                )
        return cls(pieces, scores, unk_id, frozenset({*added, unk_id}))

    @classmethod
    def from_file(cls, path: Path) -> "UnigramVocabulary":
        """Read a tokenizer.json. Raises CheckpointError as `from_json`, or if there is none."""
        try:
            tokenizer = read_json(path, max_bytes=_MAX_BYTES)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot read {path}: {error}") from error
        if not isinstance(tokenizer, dict):
            raise CheckpointError(f"{path} holds no JSON object; expected a tokenizer.json")
        return cls.from_json(tokenizer)

    def __len__(self) -> int:
        return len(self.pieces)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each piece."""
        return {piece: index for index, piece in enumerate(self.pieces)}

    @cached_property
    def lowest_scored(self) -> int:
        """Id of the ordinary piece with the lowest score.

        An unknown character costs the lowest score minus 10, in `tokenizers`
        (models/unigram/model.rs, K_UNK_PENALTY) and in SentencePiece and llama.cpp alike, so a
        prune that keeps this piece keeps the penalty to the last bit.
        """
        ordinary = (index for index in range(len(self.pieces)) if index not in self.special_ids)
        return min(ordinary, key=lambda index: (self.scores[index], index))
