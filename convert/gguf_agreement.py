"""Does llama.cpp's tokenizer, reading our file, see the same ids as the Hugging Face tokenizer?

ondol itself always tokenizes with `tokenizers`. llama-server and llama-embedding use llama.cpp's
own tokenizer, so this is what makes their vectors equal to ours.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ondol.errors import ConversionError, InputError
from ondol.runtime.llama_library import captured_log, llama_library

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Disagreement:
    """A text with the ids of `tokenizers` and of llama.cpp."""

    text: str
    expected: tuple[int, ...]
    got: tuple[int, ...]


@dataclass(frozen=True)
class AgreementReport:
    """How many of the lines got identical ids, and the first that did not."""

    lines: int
    identical: int
    examples: tuple[Disagreement, ...]


def tokenizer_agreement(
    gguf_path: Path, tokenizer: "Tokenizer", texts: Iterable[str], *, max_examples: int = 20
) -> AgreementReport:
    """Tokenize every text with both, special tokens added, and compare the ids.

    Raises ConversionError if llama.cpp cannot read the file's vocabulary, InputError for a text
    with a lone surrogate.
    """
    lines = identical = 0
    examples: list[Disagreement] = []
    with LlamaTokenizer(gguf_path) as llama:
        for text in texts:
            got = llama.encode(text)
            expected = tokenizer.encode(text).ids
            lines += 1
            if got == expected:
                identical += 1
            elif len(examples) < max_examples:
                examples.append(Disagreement(text, tuple(expected), tuple(got)))
    return AgreementReport(lines, identical, tuple(examples))


class LlamaTokenizer:
    """llama.cpp's tokenizer of a GGUF file, without the weights.

    Raises ConversionError if llama.cpp cannot read the file, MissingDependencyError without
    llama-cpp-python.
    """

    def __init__(self, path: Path) -> None:
        self._lib = llama_library("Checking a GGUF file's tokenizer")
        params = self._lib.llama_model_default_params()
        params.vocab_only = True
        with captured_log() as log:
            self._model: Any = self._lib.llama_model_load_from_file(os.fsencode(path), params)
        if not self._model:
            raise ConversionError(f"llama.cpp cannot read the vocabulary of {path}: {log}")
        self._vocab = self._lib.llama_model_get_vocab(self._model)

    def encode(self, text: str) -> list[int]:
        """Ids of the text as llama-server and llama-embedding see them.

        Both pass add_special and parse_special as true (tools/server/server-context.cpp,
        examples/embedding/embedding.cpp): `<s>` and `</s>` go around the text, and a literal "<s>"
        in it becomes the special token, as in `tokenizers`.
        """
        try:
            data = text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(f"{text!r} is not valid Unicode: {error}") from error
        # A piece covers at least one code point, and the charsmap makes at most 18 of one.
        ids = np.empty(len(data) + 16, np.int32)
        count = self._tokenize(data, ids)
        if count < 0:  # llama.h: minus the number of ids that there are.
            ids = np.empty(-count, np.int32)
            count = self._tokenize(data, ids)
        return [int(index) for index in ids[:count]]

    def _tokenize(self, data: bytes, ids: "np.ndarray[Any, np.dtype[np.int32]]") -> int:
        pointer = ids.ctypes.data_as(self._lib.llama_token_p)
        # A "<s>" at the start of the text is logged as a warning; it is what was asked for.
        with captured_log():
            return int(
                self._lib.llama_tokenize(
                    self._vocab, data, len(data), pointer, len(ids), True, True
                )
            )

    def close(self) -> None:
        """Free the vocabulary. Calling it again does nothing."""
        if self._model:
            with captured_log():
                self._lib.llama_model_free(self._model)
            self._model = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
