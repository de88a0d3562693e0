"""Encodings that are read right, and those that are reported."""

import codecs
import unicodedata

import pytest

from ondol.search.decode import decode
from ondol.search.document import UnreadableError

KOREAN = "제주도는 섬이다.\n서울은 도시다."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp949", "euc_kr"])
def test_korean_in_each_encoding(encoding: str) -> None:
    assert decode(KOREAN.encode(encoding)) == KOREAN


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_marks_of_either_order(mark: bytes, encoding: str) -> None:
    assert decode(mark + KOREAN.encode(encoding)) == KOREAN


def test_a_rare_syllable_does_not_make_korean_foreign() -> None:
    text = "똠방각하라는 드라마가 있었다."
    assert decode(text.encode("cp949")) == text


def test_text_is_composed_and_its_lines_end_alike() -> None:
    decomposed = unicodedata.normalize("NFD", "가나\r\n다\r라\n")
    assert decode(decomposed.encode()) == "가나\n다\n라\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        ("don’t – “quoted”".encode("cp1252"), "encoding is none of"),
        ("Ünïcödé naïve façade".encode("latin-1"), "encoding is none of"),
        ("日本語の文章です。".encode("shift_jis"), "encoding is none of"),
        (codecs.BOM_UTF16_LE + b"\x00\xd8a", "marked as utf-16-le, but damaged"),
    ],
)
def test_the_rest_is_reported(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        decode(content)


def test_a_declared_encoding_goes_first() -> None:
    assert decode("café".encode("latin-1"), "latin-1") == "café"
    assert decode("카페".encode(), "no-such-encoding") == "카페"
