"""The default counts: file format, fit to a vocabulary, the numbers inside the package."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.errors import InputError
from ondol.vocab_prune.count import PieceCounts
from ondol.vocab_prune.keeplist import (
    PER_TOKENS,
    KeepList,
    corpus_rates,
    default_rates,
    dump_keeplist,
    load_keeplist,
    merge_rates,
    parse_keeplist,
)
from ondol.vocab_prune.unigram import UnigramVocabulary

KEEPLIST = KeepList(
    {"sources": "none"},
    ("▁the", "가", "\u0085", "▁cat", "0"),
    {
        "en": np.array([6.0, 0.0, 0.0, 3.0, 1.0]),
        "ko": np.array([1.0, 8.0, 0.0, 0.0, 1.0]),
    },
)


def vocabulary(*pieces: str) -> UnigramVocabulary:
    return UnigramVocabulary(
        ("<unk>", *pieces), tuple(-float(i) for i in range(len(pieces) + 1)), 0, frozenset({0})
    )


def test_file_round_trip() -> None:
    content = dump_keeplist(KEEPLIST)
    assert gzip.decompress(content).decode() == (
        '#{"sources": "none"}\npiece\ten\tko\n▁the\t6\t1\n가\t\t8\n\u0085\t\t\n▁cat\t3\t\n0\t1\t1\n'
    )
    assert content == dump_keeplist(KEEPLIST)
    assert content[4:8] == bytes(4)  # gzip's time stamp
    again = parse_keeplist(content)
    assert again.pieces == KEEPLIST.pieces
    assert again.provenance == KEEPLIST.provenance
    for language, counts in KEEPLIST.counts.items():
        assert (again.counts[language] == counts).all()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        dump_keeplist(KEEPLIST)[:-9],
        gzip.compress(b"#{}"),
        gzip.compress(b"no json\npiece\tko\n"),
        gzip.compress(b"#{}\npiece\tko\na\tmany\n"),
        gzip.compress(b"#{}\npiece\tko\na\n"),
    ],
)
def test_damaged_file(content: bytes) -> None:
    with pytest.raises(InputError, match="damaged"):
        parse_keeplist(content)


def test_rates_of_a_whole_vocabulary() -> None:
    full = vocabulary("▁the", "가", "\u0085", "▁of", "▁cat", "0")
    rates = default_rates(full, ["ko", "en"], KEEPLIST)
    assert list(rates) == ["en", "ko"]
    assert rates["en"].tolist() == [0.0, 0.6, 0.0, 0.0, 0.0, 0.3, 0.1]
    assert rates["ko"].tolist() == [0.0, 0.1, 0.8, 0.0, 0.0, 0.0, 0.1]


def test_rates_of_a_vocabulary_pruned_before() -> None:
    rates = default_rates(vocabulary("▁the", "▁cat", "▁of"), ["en"], KEEPLIST)
    assert rates["en"].tolist() == [0.0, 0.6, 0.3, 0.0]


@pytest.mark.parametrize(
    ("pieces", "language", "message"),
    [
        (("▁the", "▁of"), "en", r"cover 60\.0% of 'en'"),  # pieces are missing
        (("▁cat", "▁the", "가", "0"), "en", r"66\.7% of them stand in XLM-R's order"),
        ((), "ko", r"cover 0\.0% of 'ko'"),
    ],
)
def test_another_vocabulary_is_refused(
    pieces: tuple[str, ...], language: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        default_rates(vocabulary(*pieces), [language], KEEPLIST)
    assert "pass --corpus" in str(error.value)


def test_language_that_was_not_counted() -> None:
    english = KeepList({}, ("a",), {"en": np.array([1.0])})
    with pytest.raises(InputError, match="know no 'ko'"):
        default_rates(vocabulary("a"), ["ko"], english)


def test_corpus_rates() -> None:
    counts = PieceCounts(np.array([0, 3, 1]), np.array([0, 2, 1]), 2)
    assert corpus_rates(counts).tolist() == [0.0, 0.75, 0.25]
    with pytest.raises(InputError, match="holds no text"):
        corpus_rates(PieceCounts(np.zeros(3, np.int64), np.zeros(3, np.int64), 0))


def test_merge() -> None:
    default = {"en": np.array([1.0, 0.0]), "ko": np.array([0.5, 0.5])}
    merged = merge_rates(default, np.array([0.0, 1.0]), share=0.25)
    assert merged["en"].tolist() == [0.75, 0.25]
    assert merged["ko"].tolist() == [0.375, 0.625]
    with pytest.raises(InputError, match=r"expected 0 to 1, got 1\.5"):
        merge_rates(default, np.array([0.0, 1.0]), share=1.5)


@given(st.floats(0, 1), st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_merge_stays_between_its_parts(share: float, values: list[float]) -> None:
    first, second = np.array([values[0]]), np.array([values[1]])
    merged = merge_rates({"en": first}, second, share)["en"][0]
    assert min(values) - 1e-12 <= merged <= max(values) + 1e-12


def test_counts_inside_the_package() -> None:
    keeplist = load_keeplist()
    assert sorted(keeplist.counts) == ["en", "ko"]
    assert len(set(keeplist.pieces)) == len(keeplist.pieces) > 60_000
    for counts in keeplist.counts.values():
        # <unk> and the fractions below a half were left out of the billion.
        assert 0.99 * PER_TOKENS < counts.sum() < 1.001 * PER_TOKENS
    row = {piece: i for i, piece in enumerate(keeplist.pieces)}
    assert not {"<s>", "<pad>", "</s>", "<unk>", "<mask>"} & set(row)
    assert keeplist.counts["en"][row["▁the"]] > 1e7 > keeplist.counts["en"][row["▁Sulawesi"]] > 0
    assert keeplist.counts["en"][row["가"]] == 0 < keeplist.counts["ko"][row["가"]]


def test_provenance_names_every_source() -> None:
    provenance = load_keeplist().provenance
    assert provenance["per_tokens"] == PER_TOKENS
    for language in ("en", "ko"):
        for source in provenance["sources"][language]:
            assert source["tokens"] > 0 < source["share"]
            assert source["origin"]
            assert source["licence"]
            assert all(source["versions"].values())
    assert "eval" not in str(provenance)


def test_same_bytes_when_written_again() -> None:
    path = Path(__file__).parents[2] / "vocab_prune" / "data" / "xlmr_counts.tsv.gz"
    content = path.read_bytes()
    # The compressed bytes depend on the zlib build; what they hold does not.
    assert gzip.decompress(dump_keeplist(parse_keeplist(content))) == gzip.decompress(content)
    assert len(content) < 1_000_000
