"""Which pieces a language needs by rule."""

import pytest

from ondol.errors import InputError
from ondol.vocab_prune.alphabet import alphabet_pieces, has_hangul, is_character
from ondol.vocab_prune.unigram import UnigramVocabulary


def vocabulary(*pieces: str) -> UnigramVocabulary:
    """A vocabulary of `<unk>` and the given pieces."""
    return UnigramVocabulary(
        ("<unk>", *pieces), tuple(-float(i) for i in range(len(pieces) + 1)), 0, frozenset({0})
    )


def kept(languages: str, *pieces: str) -> set[str]:
    full = vocabulary(*pieces)
    return {full.pieces[index] for index in alphabet_pieces(full, languages.split(","))}


def test_tiny_vocabulary(tiny_tokenizer: dict) -> None:
    full = UnigramVocabulary.from_json(tiny_tokenizer)
    names = {full.pieces[index] for index in alphabet_pieces(full, ["ko"])}
    assert names == {"▁", "▁한", "국", "▁a", "b", "▁한국", "어", "한", "a"}
    names = {full.pieces[index] for index in alphabet_pieces(full, ["en"])}
    assert names == {"▁", "▁a", "b", "a"}


@pytest.mark.parametrize(
    "piece",
    [*"éßřạ7“…€₩→≤π─■☎😀🇰²½№ʃ", "▁ß", "\u200d", "\ufe0f", "\u0301"],
)
def test_characters_of_both_languages(piece: str) -> None:
    assert kept("en", piece) == kept("ko", piece) == {piece}


@pytest.mark.parametrize("piece", ["가", "▁가", "가나다", "▁a가", "ㅋ", "\u110f", "ﾡ", "ㅋㅋ"])
def test_hangul_of_any_form_is_korean_only(piece: str) -> None:
    assert has_hangul(piece)
    assert kept("ko", piece) == kept("ko,en", piece) == {piece}
    assert kept("en", piece) == set()


@pytest.mark.parametrize("piece", ["「", "、", "㎏", "！"])
def test_east_asian_punctuation_is_korean_only(piece: str) -> None:
    assert kept("ko", piece) == {piece}
    assert kept("en", piece) == set()


@pytest.mark.parametrize(
    "piece", ["漢", "▁漢", "の", "ア", "Ж", "ع", "ह", "ไ", "the", "▁the", "12", "!!"]
)
def test_other_scripts_and_words_are_left_to_counting(piece: str) -> None:
    assert kept("ko,en", piece) == set()


def test_special_tokens_are_not_alphabet() -> None:
    full = UnigramVocabulary(("a", "b"), (0.0, -1.0), 0, frozenset({0}))
    assert alphabet_pieces(full, ["en"]) == {1}


def test_is_character() -> None:
    assert [p for p in ("▁", "a", "▁a", "▁▁", "ab", "▁ab", "😀") if is_character(p)] == [
        "▁", "a", "▁a", "▁▁", "😀",
    ]  # fmt: skip


@pytest.mark.parametrize("languages", [[], ["de"], ["ko", "ja"]])
def test_unknown_languages_are_refused(languages: list[str]) -> None:
    with pytest.raises(InputError, match=r"expected some of en, ko, got (none|de|ja)"):
        alphabet_pieces(vocabulary("a"), languages)
