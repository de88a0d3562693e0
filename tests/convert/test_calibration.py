"""Calibration text of all lengths, fixed for good, and what is watched while it runs."""

import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ondol.convert.calibration as calibration
from ondol.convert.calibration import calibration_sequences, observe
from ondol.convert.encoder_graph import Kind
from ondol.convert.encoder_weights import EncoderWeights
from ondol.convert.reference import reference_texts
from ondol.runtime.tokenize import TextTokenizer, Tokenized
from ondol.vocab_prune.verify import verification_lines

RandomEncoder = Callable[..., EncoderWeights]
MakeTokenizer = Callable[[int], TextTokenizer]

PROMPTS = ["a ", "b "]
START, END = 0, 2


@pytest.fixture
def make_tokenizer(tiny_tokenizer: dict[str, Any], tmp_path: Path) -> MakeTokenizer:
    """Tokenizers that have every character of the lines, so that ids tell lines apart."""
    vocab = tiny_tokenizer["model"]["vocab"]
    known = {piece for piece, _ in vocab}
    lines = verification_lines()
    characters = set("".join([*lines["ko"], *lines["en"]])) - known
    vocab += [[character, -8.0] for character in sorted(characters)]
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(tiny_tokenizer), encoding="utf-8")
    return lambda max_tokens: TextTokenizer(path, max_tokens=max_tokens)


class Recorder:
    """A tokenizer that remembers what it was asked for."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self.texts: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Tokenized:
        self.texts += texts
        return self._tokenizer(texts)


@pytest.mark.parametrize("max_tokens", [24, 100, 512])
def test_every_length_up_to_the_longest(make_tokenizer: MakeTokenizer, max_tokens: int) -> None:
    sequences = calibration_sequences(make_tokenizer(max_tokens), PROMPTS, max_tokens)
    assert all((ids[0], ids[-1]) == (START, END) for ids in sequences)
    assert not [ids for ids in sequences if {START, END} & set(ids[1:-1])]
    lengths = {len(ids) for ids in sequences}
    assert (min(lengths), max(lengths)) == (2, max_tokens)
    # None is more than twice as long as the next shorter one.
    assert all(
        any(length < other <= 2 * length for other in lengths) for length in lengths - {max_tokens}
    )
    counts = [sum(len(ids) == length for ids in sequences) for length in sorted(lengths)]
    assert counts[0] == 1, "the empty text, once"
    assert counts[1:] == sorted(counts[1:], reverse=True), "many short ones, few long ones"
    assert counts[-1] >= 4


def test_the_same_every_time(make_tokenizer: MakeTokenizer) -> None:
    first = calibration_sequences(make_tokenizer(24), PROMPTS, 24)
    assert calibration_sequences(make_tokenizer(24), PROMPTS, 24) == first
    longest = [tuple(ids) for ids in first if len(ids) == 24]
    # Two may begin with the same line, of which 24 tokens are a part.
    assert len(set(longest)) > 0.9 * len(longest) > 20


def test_no_text_that_variants_are_measured_on(make_tokenizer: MakeTokenizer) -> None:
    recorder = Recorder(make_tokenizer(512))
    calibration_sequences(recorder, PROMPTS, 512)  # type: ignore[arg-type]
    assert len(recorder.texts) > 200
    measured = set(reference_texts()) - {""}  # the empty text is `<s></s>` for everyone
    assert not measured & set(recorder.texts)
    lines = verification_lines()
    assert set(recorder.texts) == {*lines["ko"], *lines["en"], *PROMPTS, ""}
    # Nor as a part of a line, where it is more than a word or two.
    long = [text for text in measured if len(text) > 12]
    assert len(long) > 30
    assert not [text for text in long if any(text in line for line in recorder.texts)]


def test_prompts_stand_before_the_texts_in_turn(make_tokenizer: MakeTokenizer) -> None:
    tokenizer = make_tokenizer(24)
    openings = [list(ids[1:-1]) for ids in tokenizer(PROMPTS).ids]
    assert openings[0] != openings[1]
    with_prompts = calibration_sequences(tokenizer, PROMPTS, 24)
    longest = [ids for ids in with_prompts if len(ids) == 24]
    for number, ids in enumerate(longest):
        opening = openings[number // 3 % 2]  # each prompt with each pool of lines
        assert ids[1 : 1 + len(opening)] == opening
    without = [ids for ids in calibration_sequences(tokenizer, [], 24) if len(ids) == 24]
    assert len(without) == len(longest)
    started = [any(ids[1 : 1 + len(o)] == o for o in openings) for ids in without]
    assert not all(started)


def test_both_languages_and_both_together(make_tokenizer: MakeTokenizer) -> None:
    """Every text is lines one after the other, of Korean, of English, of either, in turn."""
    tokenizer = make_tokenizer(128)
    lines = verification_lines()
    bodies = {
        language: {ids[1:-1] for ids in tokenizer(lines[language]).ids} for language in ("ko", "en")
    }
    pools = [bodies["ko"], bodies["en"], bodies["ko"] | bodies["en"]]
    longest = [ids for ids in calibration_sequences(tokenizer, [], 128) if len(ids) == 128]
    assert len(longest) > 3
    for number, ids in enumerate(longest):
        assert made_of(tuple(ids[1:-1]), pools[number % 3])
    assert not made_of(tuple(longest[0][1:-1]), pools[1])
    assert not made_of(tuple(longest[1][1:-1]), pools[0])


def made_of(body: tuple[int, ...], pool: set[tuple[int, ...]]) -> bool:
    """Whether `body` is lines of the pool, the last one cut off."""
    reached, open_ends = set(), {0}
    while open_ends:
        start = open_ends.pop()
        reached.add(start)
        rest = body[start:]
        if any(line[: len(rest)] == rest for line in pool):
            return True
        ends = {start + len(line) for line in pool if line and rest[: len(line)] == line}
        open_ends |= ends - reached
    return False


@pytest.mark.parametrize(("sample_rows", "gram_rows"), [(7, 512), (1024, 26), (1024, 1)])
def test_statistics_are_those_of_all_tokens(
    random_encoder: RandomEncoder,
    numpy_encoder: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sample_rows: int,
    gram_rows: int,
) -> None:
    monkeypatch.setattr(calibration, "_SAMPLE_ROWS", sample_rows)
    monkeypatch.setattr(calibration, "_GRAM_ROWS", gram_rows)
    weights = random_encoder(hidden_size=32, loud=3)
    rng = np.random.default_rng(6)
    sequences = [rng.integers(0, 40, count) for count in (2, 24, 3, 1, 11, 9)]
    found = observe(weights, [ids.tolist() for ids in sequences], tmp_path)
    assert list(found) == [(layer, kind) for layer in (0, 1) for kind in Kind]
    assert not list(tmp_path.iterdir()), "the temporary file is gone"
    inputs = [numpy_encoder(weights).run(ids)[0] for ids in sequences]
    stride = max(1, 50 // sample_rows)
    for key, statistics in found.items():
        rows = np.concatenate([of_text[key] for of_text in inputs])
        largest = np.abs(rows).max()
        assert statistics.low.dtype == statistics.high.dtype == np.float32
        np.testing.assert_allclose(statistics.low, rows.min(axis=0), atol=1e-6 * largest + 1e-5)
        np.testing.assert_allclose(statistics.high, rows.max(axis=0), atol=1e-6 * largest + 1e-5)
        assert statistics.gram().dtype == np.float64
        gram = rows.T @ rows
        assert np.abs(statistics.gram() - gram).max() <= 1e-5 * np.abs(gram).max()
        np.testing.assert_array_equal(statistics.gram(), statistics.gram().T)
        sample = rows[::stride]
        np.testing.assert_allclose(statistics.sample, sample, atol=1e-6 * largest + 1e-5)


def test_rows_are_let_go(
    random_encoder: RandomEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept until the end, the inputs of a large model's products fill tens of gigabytes."""
    seen: list[weakref.ref[Any]] = []
    alive_at_once: list[int] = []
    add = calibration._Watch.add

    def watched_add(watch: calibration._Watch, rows: Any) -> None:
        add(watch, rows)
        seen.append(weakref.ref(rows))
        alive_at_once.append(sum(ref() is not None for ref in seen))

    monkeypatch.setattr(calibration._Watch, "add", watched_add)
    monkeypatch.setattr(calibration, "_GRAM_ROWS", 4)
    weights = random_encoder()
    observe(weights, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], tmp_path)
    of_one_text = len(Kind) * len(weights.layers)
    assert len(seen) == 3 * of_one_text
    assert max(alive_at_once) == of_one_text


def test_a_vocabulary_larger_than_an_onnx_file(
    random_encoder: RandomEncoder, tmp_path: Path
) -> None:
    """The words of 10 GB are one row that is shown many times over."""
    weights = random_encoder(hidden_size=64)
    many, few = (
        replace(weights, words=np.broadcast_to(weights.words[0], (rows, 64)))
        for rows in (40_000_000, 40)
    )
    found = observe(many, [[39_999_999, 7, 0], [8, 8]], tmp_path)
    expected = observe(few, [[39, 7, 0], [8, 8]], tmp_path)
    for key, statistics in found.items():
        np.testing.assert_array_equal(statistics.gram(), expected[key].gram())
        np.testing.assert_array_equal(statistics.low, expected[key].low)
