"""Texts that come as token ids, as OpenAI's clients may send them."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from ondol.serve.request_errors import invalid


class TokenIds:
    """Turns ids of the bundle's own tokenizer back into text, which is then embedded like any
    other, prompt included. Ids of another tokenizer mean other words.

    Args:
        path: the bundle's tokenizer.json.
    """

    def __init__(self, path: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))
        self._rows = self._tokenizer.get_vocab_size(with_added_tokens=True)
        self._begin, self._end = self._tokenizer.encode("").ids

    def texts(self, lists: Sequence[Sequence[int]]) -> list[str]:
        """The text of each list, with or without `<s>` and `</s>` around it.

        Raises RequestError 400 for an id that the tokenizer does not have.
        """
        return [self._text(ids) for ids in lists]

    def _text(self, ids: Sequence[int]) -> str:
        if unknown := [one for one in ids if not 0 <= one < self._rows]:
            raise invalid(
                f"there is no token {unknown[0]}: the model's own tokenizer has {self._rows:,} "
                "tokens. Ids of another tokenizer mean other words; send the text itself (in "
                "LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False))"
            )
        inner = list(ids)
        if inner and inner[0] == self._begin:
            del inner[0]
        if inner and inner[-1] == self._end:
            del inner[-1]
        # Special tokens stay, so that <unk> is <unk> again.
        return str(self._tokenizer.decode(inner, skip_special_tokens=False))
