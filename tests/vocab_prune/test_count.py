"""Counting pieces over texts and files."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ondol.errors import InputError
from ondol.vocab_prune import count
from ondol.vocab_prune.count import PieceCounts, count_files, count_texts


@pytest.fixture
def tokenizer(tiny_tokenizer: dict[str, Any]) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(tiny_tokenizer))


def by_piece(tokenizer: Tokenizer, numbers: np.ndarray) -> dict[str, int]:
    return {tokenizer.id_to_token(int(i)): int(numbers[i]) for i in np.flatnonzero(numbers)}


def test_tokens_and_lines(tokenizer: Tokenizer) -> None:
    counts = count_texts(tokenizer, ["한국어 한국", "ab ab", "", "ab q"])
    assert by_piece(tokenizer, counts.tokens) == {
        "▁한국": 2, "어": 1, "▁ab": 3, "▁": 1, "<unk>": 1,
    }  # fmt: skip
    assert by_piece(tokenizer, counts.lines) == {
        "▁한국": 1, "어": 1, "▁ab": 2, "▁": 1, "<unk>": 1,
    }  # fmt: skip
    assert (counts.total_tokens, counts.total_lines) == (8, 3)


def test_files_plain_and_gzip_add_up(tokenizer: Tokenizer, tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.txt", tmp_path / "b.txt.gz"
    plain.write_text("한국\r\nab\n", encoding="utf-8")
    packed.write_bytes(gzip.compress("어 ab".encode()))
    counts = count_files(tokenizer, [plain, packed], progress=False)
    assert by_piece(tokenizer, counts.tokens) == {"▁한국": 1, "▁ab": 2, "▁": 1, "어": 1}
    assert counts.sources == ("a.txt", "b.txt.gz")
    assert counts.total_lines == 3


def test_batches_do_not_change_the_result(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["한국어 " * 40, "ab b a", "국" * 50, *(["한 ab"] * 30)]
    whole = count_texts(tokenizer, lines)
    monkeypatch.setattr(count, "BATCH_CHARACTERS", 64)
    parts = count_texts(tokenizer, lines)
    # 50 characters without a space stay under the limit, so no word was cut.
    assert (parts.tokens == whole.tokens).all()
    assert (parts.lines == whole.lines).all()
    assert parts.total_lines == whole.total_lines == 33


@given(st.text(alphabet="ab 국", max_size=300), st.integers(1, 40))
def test_parts_make_up_the_text(text: str, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(count, "BATCH_CHARACTERS", limit)
        parts = count._parts(text)
    assert "".join(parts) == text
    assert max(map(len, parts)) <= limit


def test_memory_is_bounded_by_reading_a_stream(tokenizer: Tokenizer) -> None:
    """No more lines are taken from the stream than one batch holds."""
    taken = 0

    def endless() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield "ab " * 1000

    next(iter(count._batches(endless())))
    assert taken <= count.BATCH_CHARACTERS // 3000 + 1


def test_missing_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not found: .*gone\.txt"):
        count_files(tokenizer, [tmp_path / "gone.txt"], progress=False)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("latin.txt", b"ok\n" + "é".encode("latin-1") + b"\n", "not UTF-8 text"),
        ("cut.gz", gzip.compress(b"a b\n" * 1000)[:-9], "cannot be read"),
        ("plain.gz", b"no gzip", "cannot be read"),
        ("empty.txt", b"", "no text in"),
        ("blank.txt", b"\n \n", "no text in"),
    ],
)
def test_unusable_file(
    tokenizer: Tokenizer, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        count_files(tokenizer, [tmp_path / name], progress=False)


def test_counts_of_different_vocabularies_do_not_add() -> None:
    a, b = (PieceCounts(np.zeros(n, np.int64), np.zeros(n, np.int64), 0) for n in (3, 4))
    with pytest.raises(InputError, match="3 and 4 pieces"):
        a + b
