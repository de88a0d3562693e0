"""The rewritten checkpoint: every id where it belongs, and the same segmentation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ondol.checkpoint import Checkpoint
from ondol.errors import CheckpointError, ConversionError
from ondol.vocab_prune.rewrite import (
    prune_sentencepiece,
    prune_state,
    prune_tokenizer_json,
    write_pruned_checkpoint,
)
from ondol.vocab_prune.unigram import UnigramVocabulary

#: Of the tiny vocabulary: ▁ ▁한 국 ▁a ▁한국 ж ▁жж, between the special pieces.
KEPT = [0, 1, 2, 3, 4, 5, 6, 7, 9, 14, 15, 16]


def encode(tokenizer: dict[str, Any], text: str) -> list[int]:
    return list(Tokenizer.from_str(json.dumps(tokenizer)).encode(text).ids)


def test_ids_follow_the_kept_pieces(tiny_tokenizer: dict[str, Any]) -> None:
    assert encode(tiny_tokenizer, "한국 a<mask>") == [0, 9, 7, 16, 2]
    pruned = prune_tokenizer_json(tiny_tokenizer, KEPT)
    # 한국 is the ninth kept piece, a the eighth, <mask> the last of twelve.
    assert encode(pruned, "한국 a<mask>") == [0, 8, 7, 11, 2]
    assert pruned["model"]["unk_id"] == 3
    assert [token["id"] for token in pruned["added_tokens"]] == [0, 1, 2, 3, 11]
    assert [score for _, score in pruned["model"]["vocab"]][4:7] == [-2.0, -2.5, -3.0]
    assert tiny_tokenizer["model"]["vocab"][16] == ["<mask>", 0.0], "the input must not change"


def test_dropped_pieces_are_spelt_with_smaller_ones(tiny_tokenizer: dict[str, Any]) -> None:
    assert encode(tiny_tokenizer, "ab") == [0, 11, 2]  # ▁ab
    kept = [i for i in range(17) if i != 11]
    assert encode(prune_tokenizer_json(tiny_tokenizer, kept), "ab") == [0, 7, 8, 2]  # ▁a b


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        (
            {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<mask>", 16]},
            {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<mask>", 11]},
        ),
        (
            {
                "type": "Sequence",
                "processors": [
                    {"type": "BertProcessing", "sep": ["<mask>", 16], "cls": ["<s>", 0]}
                ],
            },
            {
                "type": "Sequence",
                "processors": [
                    {"type": "BertProcessing", "sep": ["<mask>", 11], "cls": ["<s>", 0]}
                ],
            },
        ),
    ],
)
def test_post_processors_of_every_kind_are_renumbered(
    tiny_tokenizer: dict[str, Any], processor: dict[str, Any], expected: dict[str, Any]
) -> None:
    tiny_tokenizer["post_processor"] = processor
    assert prune_tokenizer_json(tiny_tokenizer, KEPT)["post_processor"] == expected


def test_an_unknown_post_processor_is_refused(tiny_tokenizer: dict[str, Any]) -> None:
    tiny_tokenizer["post_processor"] = {"type": "Novel", "id": 5}
    with pytest.raises(ConversionError, match="Novel"):
        prune_tokenizer_json(tiny_tokenizer, KEPT)


def test_padding_is_renumbered(tiny_tokenizer: dict[str, Any]) -> None:
    tiny_tokenizer["padding"] = {"pad_id": 16, "pad_token": "<mask>"}
    assert prune_tokenizer_json(tiny_tokenizer, KEPT)["padding"]["pad_id"] == 11


@pytest.mark.parametrize("kept", [[0, 1, 2, 3, 5, 4, 16], [0, 1, 2, 3, 4, 4, 16]])
def test_kept_ids_must_ascend(tiny_tokenizer: dict[str, Any], kept: list[int]) -> None:
    with pytest.raises(ConversionError, match="ascending"):
        prune_tokenizer_json(tiny_tokenizer, kept)


def test_special_tokens_must_be_kept(tiny_tokenizer: dict[str, Any]) -> None:
    with pytest.raises(ConversionError, match="<mask>"):
        prune_tokenizer_json(tiny_tokenizer, [0, 1, 2, 3, 4])


@pytest.mark.parametrize("kind", ["WordPiece", "BPE"])
def test_other_tokenizers_are_refused(tiny_tokenizer: dict[str, Any], kind: str) -> None:
    tiny_tokenizer["model"]["type"] = kind
    with pytest.raises(CheckpointError, match=f"{kind}.*Unigram"):
        prune_tokenizer_json(tiny_tokenizer, KEPT)


def _vocabulary_with(scores: list[float], tokenizer: dict[str, Any]) -> dict[str, Any]:
    changed = json.loads(json.dumps(tokenizer))
    for entry, score in zip(
        changed["model"]["vocab"][4:16], sorted(scores, reverse=True), strict=True
    ):
        entry[1] = score
    result: dict[str, Any] = changed
    return result


# The fixture is only read, so that it need not be made anew for every example.
@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_the_best_path_over_kept_pieces_never_changes(
    tiny_tokenizer: dict[str, Any], data: st.DataObject
) -> None:
    """For any scores, any prune that keeps the lowest score, and any text over kept pieces."""
    scores = data.draw(
        st.lists(st.floats(-20, -0.5, width=32), min_size=12, max_size=12, unique=True)
    )
    full = _vocabulary_with(scores, tiny_tokenizer)
    vocabulary = UnigramVocabulary.from_json(full)
    chosen = data.draw(st.sets(st.integers(4, 15)))
    kept = sorted(chosen | {0, 1, 2, 3, 16, vocabulary.lowest_scored})
    text = data.draw(st.text(alphabet="한국어ab ж中", max_size=12))

    before = encode(full, text)
    assume(set(before) <= set(kept))
    after = [kept[index] for index in encode(prune_tokenizer_json(full, kept), text)]
    assert after == before


def test_rows_of_the_embedding_and_the_head_follow() -> None:
    import torch

    state = {
        "bert.embeddings.word_embeddings.weight": torch.arange(12.0).reshape(6, 2),
        "cls.predictions.bias": torch.arange(6.0),
        "bert.encoder.layer.0.output.dense.bias": torch.arange(2.0),
    }
    pruned = prune_state(state, 6, [0, 3, 5])
    assert pruned["bert.embeddings.word_embeddings.weight"].tolist() == [[0, 1], [6, 7], [10, 11]]
    assert pruned["cls.predictions.bias"].tolist() == [0, 3, 5]
    assert pruned["bert.encoder.layer.0.output.dense.bias"].tolist() == [0, 1]


def test_an_unknown_tensor_with_one_row_per_piece_is_refused() -> None:
    import torch

    with pytest.raises(ConversionError, match="novel"):
        prune_state({"novel.weight": torch.zeros(6, 2)}, 6, [0, 3, 5])


def test_sentencepiece_model_keeps_its_own_specials(tmp_path: Path) -> None:
    from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    kinds = sentencepiece_model_pb2.ModelProto.SentencePiece
    proto.trainer_spec.model_type = proto.trainer_spec.UNIGRAM
    for piece, score, kind in (
        ("<unk>", 0.0, kinds.UNKNOWN),
        ("<s>", 0.0, kinds.CONTROL),
        ("</s>", 0.0, kinds.CONTROL),
        ("▁a", -1.0, kinds.NORMAL),
        ("b", -2.0, kinds.NORMAL),
        ("▁ab", -3.0, kinds.NORMAL),
    ):
        proto.pieces.add(piece=piece, score=score, type=kind)
    vocabulary = UnigramVocabulary(
        ("<s>", "<pad>", "</s>", "<unk>", "▁a", "b", "▁ab", "<mask>"),
        (0, 0, 0, 0, -1, -2, -3, 0),
        3,
        frozenset({0, 1, 2, 3, 7}),
    )
    pruned = prune_sentencepiece(proto.SerializeToString(), vocabulary, [0, 1, 2, 3, 4, 5, 7])
    processor = SentencePieceProcessor(model_proto=pruned)
    pieces = [processor.IdToPiece(i) for i in range(processor.GetPieceSize())]
    assert pieces == ["<unk>", "<s>", "</s>", "▁a", "b"]
    assert processor.EncodeAsPieces("ab") == ["▁a", "b"]


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
@pytest.mark.parametrize("head", [False, True])
def test_the_directory_loads_and_gives_the_full_models_vectors(
    make_checkpoint: Any, tmp_path: Path, model_type: str, head: bool
) -> None:
    from sentence_transformers import SentenceTransformer

    source = make_checkpoint(model_type=model_type, head=head)
    out = tmp_path / "pruned"
    out.mkdir()
    write_pruned_checkpoint(Checkpoint(source), KEPT, out)

    texts = ["한국", "a 한국 a", "жж", "", "<mask> a"]
    full = SentenceTransformer(str(source), device="cpu")
    pruned = SentenceTransformer(str(out), device="cpu")
    assert len(pruned.tokenizer) == len(KEPT)
    difference = np.abs(full.encode(texts) - pruned.encode(texts)).max()
    assert difference <= 1e-6
    config = json.loads((out / "config.json").read_text())
    assert config["vocab_size"] == len(KEPT)
    assert config["pad_token_id"] == (0 if model_type == "bert" else 1)


def test_files_that_are_not_taken_along_are_named(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint()
    (source / "rust_model.ot").write_bytes(b"other weights")
    out = tmp_path / "pruned"
    out.mkdir()
    assert write_pruned_checkpoint(Checkpoint(source), KEPT, out) == ["rust_model.ot"]


def test_a_tokenizer_larger_than_the_embedding_is_refused(
    make_checkpoint: Any, tmp_path: Path
) -> None:
    source = make_checkpoint(extra_rows=-1)
    with pytest.raises(ConversionError, match=r"17 entries.*16 rows"):
        write_pruned_checkpoint(Checkpoint(source), KEPT, tmp_path)


def test_ids_of_another_tokenizer_are_refused(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint()
    (source / "added_tokens.json").write_text('{"<other>": 13}')
    out = tmp_path / "pruned"
    out.mkdir()
    with pytest.raises(ConversionError, match=r"added_tokens\.json names the token id 13"):
        write_pruned_checkpoint(Checkpoint(source), KEPT, out)


@pytest.mark.parametrize("vocab", [None, 3, ["한"], [["한", "high"]]])
def test_a_damaged_vocabulary_is_refused(tiny_tokenizer: dict[str, Any], vocab: Any) -> None:
    tiny_tokenizer["model"]["vocab"] = vocab
    with pytest.raises(CheckpointError, match="no list of pieces with scores"):
        UnigramVocabulary.from_json(tiny_tokenizer)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("tokenizer.json", {"post_processor": {"type": "BertProcessing", "sep": 7, "cls": 7}}),
        ("tokenizer.json", {"padding": True}),
        ("tokenizer_config.json", {"added_tokens_decoder": ["<s>"]}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"first": {}}}),
    ],
)
def test_a_value_of_another_kind_is_a_damaged_checkpoint(
    make_checkpoint: Any, tmp_path: Path, name: str, change: dict[str, Any]
) -> None:
    directory = make_checkpoint()
    content = json.loads((directory / name).read_text())
    (directory / name).write_text(json.dumps({**content, **change}))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(CheckpointError, match=r"the configuration of .* is damaged"):
        write_pruned_checkpoint(Checkpoint(directory), range(17), out)


def test_a_word_embedding_of_other_rows_is_refused(make_checkpoint: Any, tmp_path: Path) -> None:
    directory = make_checkpoint()
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "vocab_size": 30}))
    with pytest.raises(ConversionError, match=r"has shape \(20, 32\); expected 30 rows"):
        write_pruned_checkpoint(Checkpoint(directory), range(17), tmp_path)
