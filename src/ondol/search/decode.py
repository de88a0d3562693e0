"""Bytes of a text file to characters: UTF-8, UTF-16 and UTF-32 with a mark, and CP949."""

import codecs
import re
import unicodedata

from ondol.search.document import UnreadableError

#: The longer mark first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

#: Bytes that are looked at for a zero, as git and grep tell binary files.
_SNIFFED = 8000

#: Share of the characters beyond ASCII that must be among the 2,350 syllables of KS X 1001, for
#: bytes to be Korean: CP949 gives a meaning to nearly every pair of bytes, and text of other
#: encodings comes out as syllables that nobody writes.
_KOREAN_SHARE = 0.7

_LINE_END = re.compile("\r\n?")


def decode(content: bytes, declared: str | None = None) -> str:
    """The text, composed (NFC), with "\\n" at the end of lines.

    declared: the encoding that the file itself names, tried after a mark and before UTF-8.

    Raises UnreadableError for binary files and for other encodings.
    """
    text = _LINE_END.sub("\n", _characters(content, declared))
    return unicodedata.normalize("NFC", text)


def _characters(content: bytes, declared: str | None) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strict(content[len(mark) :], encoding)
    if b"\0" in content[:_SNIFFED]:
        raise UnreadableError("binary")
    for candidate in (declared, "utf-8"):
        if candidate is not None:
            try:
                return content.decode(candidate)
            except (UnicodeDecodeError, LookupError):
                continue
    try:
        text = content.decode("cp949")
    except UnicodeDecodeError:
        text = ""
    foreign = [character for character in text if not character.isascii()]
    if foreign and sum(map(_common_syllable, foreign)) >= _KOREAN_SHARE * len(foreign):
        return text
    raise UnreadableError("encoding is none of UTF-8, UTF-16 with a mark, and CP949")


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"marked as {encoding}, but damaged") from error


def _common_syllable(character: str) -> bool:
    # Python's euc_kr writes the other syllables as four letters, in eight bytes.
    return "가" <= character <= "힣" and len(character.encode("euc_kr")) == 2
