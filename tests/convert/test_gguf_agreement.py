"""llama.cpp's tokenizer, reading our file, against `tokenizers`."""

import base64
import json
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer

from ondol.checkpoint import Architecture, Pooling
from ondol.convert.gguf_agreement import LlamaTokenizer, tokenizer_agreement
from ondol.convert.gguf_writer import write_gguf
from ondol.errors import ConversionError, InputError
from ondol.variants import Variant

MakeCheckpoint = Callable[..., Path]
MakeGguf = Callable[..., Path]

#: Texts on which both must agree, whatever the vocabulary.
EDGE_CASES = {
    "empty": "",
    "one space": " ",
    "spaces everywhere": "  한국   ab  ",
    "tab and newlines": "한국\tab\n\na\r\nb",
    "no-break and ideographic space": "한국\u00a0ab\u3000a",
    "zero-width space and joiner": "한\u200b국 a\u200db",
    "fullwidth": "ａｂ　한국１２",
    "ligature and superscript": "ﬁ ²",
    "single compatibility jamo": "ㅎ",
    "half-width katakana": "ｱｲｳ",
    "unknown characters": "☃한☃☃국",
    "unknown alone": "☃",
    "emoji with joiners": "a 👩‍👩‍👧‍👦 b 👍🏽",
    "flag": "🇰🇷",
    "combining mark": "e\u0301a",
    "control characters": "a\x01b\x7f",
    "literal specials": "<s>한국</s> a<pad>b <unk>",
    "literal mask, which takes the space before it": "ab  <mask>  한국",
    "special without spaces": "a<s>b</s>",
    "metaspace itself": "▁한국▁",
    "hangul": "한국어 한국 한",
    "long": "한국어 ab " * 2000,
}

#: Texts on which `tokenizers` and SentencePiece (with it llama.cpp) differ, each for one reason.
KNOWN_DIFFERENCES = {
    # tokenizers applies the charsmap per grapheme and so does not compose what SentencePiece does.
    "decomposed Hangul": "\u1112\u1161\u11ab\u1100\u116e\u11a8",
    # tokenizers splits at every character of White_Space; SentencePiece's rules leave U+0085.
    "next line": "한국\u0085ab",
    # Normalised to "<s>", which tokenizers' trie holds as a piece and llama.cpp's does not.
    "fullwidth special": "＜s＞",
}


def charsmap() -> str:
    """SentencePiece's nmt_nfkc rules, which XLM-R uses, as tokenizer.json keeps them."""
    normalizer = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc")
    model = sentencepiece_model_pb2.ModelProto.FromString(normalizer.serialized_model_proto())
    return base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode("ascii")


@pytest.fixture
def normalizing_tokenizer(tiny_tokenizer: dict[str, Any]) -> dict[str, Any]:
    tiny_tokenizer["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": charsmap()}
    return tiny_tokenizer


def hugging_face(tokenizer: dict[str, Any]) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(tokenizer))


def test_ids_by_hand(make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf) -> None:
    with LlamaTokenizer(make_gguf(make_checkpoint())) as llama:
        assert llama.encode("한국 ab") == [0, 9, 11, 2]  # ▁한국 ▁ab
        assert llama.encode("a<mask>") == [0, 7, 16, 2]
        assert llama.encode("☃") == [0, 4, 3, 2]  # ▁ <unk>
        assert llama.encode("") == [0, 2]


@pytest.mark.parametrize("text", EDGE_CASES.values(), ids=EDGE_CASES.keys())
def test_edge_cases(
    make_checkpoint: MakeCheckpoint,
    make_gguf: MakeGguf,
    normalizing_tokenizer: dict[str, Any],
    text: str,
) -> None:
    path = make_gguf(make_checkpoint(tokenizer=normalizing_tokenizer))
    report = tokenizer_agreement(path, hugging_face(normalizing_tokenizer), [text])
    assert report.examples == ()
    assert (report.lines, report.identical) == (1, 1)


@pytest.mark.parametrize("text", KNOWN_DIFFERENCES.values(), ids=KNOWN_DIFFERENCES.keys())
def test_known_differences_are_reported(
    make_checkpoint: MakeCheckpoint,
    make_gguf: MakeGguf,
    normalizing_tokenizer: dict[str, Any],
    text: str,
) -> None:
    path = make_gguf(make_checkpoint(tokenizer=normalizing_tokenizer))
    tokenizer = hugging_face(normalizing_tokenizer)
    report = tokenizer_agreement(path, tokenizer, ["한국", text])
    assert (report.lines, report.identical) == (2, 1)
    (example,) = report.examples
    assert example.text == text
    assert list(example.expected) == tokenizer.encode(text).ids != list(example.got)


@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(alphabet="한국어abжc ☃", max_size=40))
def test_any_text_over_the_pieces(
    make_checkpoint: MakeCheckpoint,
    make_gguf: MakeGguf,
    tiny_tokenizer: dict[str, Any],
    tmp_path: Path,
    text: str,
) -> None:
    written = tmp_path / "checkpoint-f32.gguf"
    path = written if written.exists() else make_gguf(make_checkpoint())
    assert tokenizer_agreement(path, hugging_face(tiny_tokenizer), [text]).examples == ()


def test_examples_are_bounded(make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf) -> None:
    path = make_gguf(make_checkpoint())
    other = Tokenizer.from_str(hugging_face_without_prefix(path))
    report = tokenizer_agreement(path, other, ["ab"] * 5, max_examples=2)
    assert (report.lines, report.identical, len(report.examples)) == (5, 0, 2)


def hugging_face_without_prefix(path: Path) -> str:
    """The checkpoint's tokenizer with one setting changed, so that every line differs."""
    content = json.loads((path.parent / "checkpoint" / "tokenizer.json").read_text("utf-8"))
    content["pre_tokenizer"]["pretokenizers"][1]["prepend_scheme"] = "never"
    return json.dumps(content)


def test_lone_surrogate(make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf) -> None:
    with (
        LlamaTokenizer(make_gguf(make_checkpoint())) as llama,
        pytest.raises(InputError, match="not valid Unicode"),
    ):
        llama.encode("a\ud800")


def test_file_without_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"nothing")
    with pytest.raises(ConversionError, match=r"cannot read the vocabulary of .*: .*magic"):
        LlamaTokenizer(path)


@pytest.fixture(scope="module")
def real(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tokenizer]:
    """A file with XLM-R's vocabulary and a model of one column, since only the former is used."""
    import numpy as np

    source = shared_dir / "tokenizer" / "tokenizer.json"
    content = json.loads(source.read_text("utf-8"))
    rows = len(content["model"]["vocab"])
    architecture = Architecture("bert", 0, 1, 1, 1, rows, 1, 1, 1e-12, 0, 1)
    weights = {
        "embeddings.word_embeddings.weight": np.zeros((rows, 1), np.float32),
        "embeddings.position_embeddings.weight": np.zeros((1, 1), np.float32),
        "embeddings.token_type_embeddings.weight": np.zeros((1, 1), np.float32),
        "embeddings.LayerNorm.weight": np.zeros(1, np.float32),
        "embeddings.LayerNorm.bias": np.zeros(1, np.float32),
    }
    path = tmp_path_factory.mktemp("real") / "vocabulary.gguf"
    write_gguf(
        path,
        architecture=architecture,
        weights=weights,
        tokenizer=content,
        pooling=Pooling.MEAN,
        name="vocabulary",
        variant=Variant.GGUF_F32,
    )
    return path, Tokenizer.from_file(str(source))


def evaluation_texts(shared_dir: Path) -> Iterator[str]:
    for name in ("korquad/corpus", "korquad/queries", "cranfield/corpus", "cranfield/queries"):
        for line in (shared_dir / f"eval/{name}.jsonl").read_text("utf-8").splitlines():
            yield json.loads(line)["text"]
    for name in ("korsts", "stsb_en"):
        for line in (shared_dir / f"eval/{name}/test.tsv").read_text("utf-8").splitlines():
            yield from line.split("\t")[1:]


@pytest.mark.shared
def test_real_vocabulary_on_evaluation_texts(
    real: tuple[Path, Tokenizer], shared_dir: Path
) -> None:
    report = tokenizer_agreement(*real, evaluation_texts(shared_dir))
    assert report.lines > 10_000
    assert report.examples == ()


@pytest.mark.shared
def test_real_vocabulary_on_edge_cases(real: tuple[Path, Tokenizer]) -> None:
    assert tokenizer_agreement(*real, EDGE_CASES.values()).examples == ()
    differing = tokenizer_agreement(*real, KNOWN_DIFFERENCES.values()).examples
    assert [example.text for example in differing] == list(KNOWN_DIFFERENCES.values())


@pytest.mark.shared
def test_real_vocabulary_on_every_character_of_the_basic_plane(
    real: tuple[Path, Tokenizer],
) -> None:
    characters = map(chr, chain(range(0xD800), range(0xE000, 0x10000)))
    report = tokenizer_agreement(*real, characters)
    assert report.lines == 0x10000 - 0x800
    assert [example.text for example in report.examples] == ["\u0085"]
