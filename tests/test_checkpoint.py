"""What a checkpoint directory says, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ondol.checkpoint import Checkpoint, Pooling, canonical_name
from ondol.errors import CheckpointError
from ondol.vocab_prune.unigram import UnigramVocabulary, load_tokenizer
from ondol.vocab_prune.verify import verification_lines


def edit(directory: Path, name: str, **changes: Any) -> None:
    path = directory / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(("model_type", "first_position"), [("bert", 0), ("xlm-roberta", 2)])
def test_architecture_is_read_from_config(
    make_checkpoint: Any, model_type: str, first_position: int
) -> None:
    arch = Checkpoint(make_checkpoint(model_type=model_type)).architecture
    assert (arch.layers, arch.hidden_size, arch.heads, arch.intermediate_size) == (2, 32, 4, 64)
    assert arch.vocab_rows == 20
    assert arch.first_position == first_position
    assert arch.max_tokens == 24


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
@pytest.mark.parametrize("normalize", [True, False])
def test_pooling_and_normalisation(make_checkpoint: Any, pooling: str, normalize: bool) -> None:
    checkpoint = Checkpoint(make_checkpoint(pooling=pooling, normalize=normalize))
    assert checkpoint.pooling is Pooling(pooling)
    assert checkpoint.normalize is normalize


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
@pytest.mark.parametrize(
    ("max_seq_length", "model_max_length", "expected"),
    [(16, 10, 16), (10, 16, 10), (None, 10, 10), (None, int(1e30), 24), (None, None, 24)],
)
def test_the_longest_input_is_that_of_sentence_transformers(
    make_checkpoint: Any,
    model_type: str,
    max_seq_length: int | None,
    model_max_length: int | None,
    expected: int,
) -> None:
    from sentence_transformers import SentenceTransformer

    directory = make_checkpoint(model_type=model_type, max_tokens=24)
    edit(directory, "sentence_bert_config.json", max_seq_length=max_seq_length)
    edit(directory, "tokenizer_config.json", model_max_length=model_max_length)
    assert Checkpoint(directory).architecture.max_tokens == expected
    if expected < 24:  # Without a limit it counts XLMRobertaModel's first two positions too.
        assert SentenceTransformer(str(directory), device="cpu").max_seq_length == expected


def test_no_input_is_longer_than_the_positions(make_checkpoint: Any) -> None:
    directory = make_checkpoint(model_type="xlm-roberta", max_tokens=24)
    edit(directory, "sentence_bert_config.json", max_seq_length=8192)
    assert Checkpoint(directory).architecture.max_tokens == 24


def test_prompts_come_from_the_configuration(make_checkpoint: Any) -> None:
    prompts = Checkpoint(make_checkpoint()).prompts
    assert prompts.by_name == {"query": "a ", "passage": "b "}
    assert prompts.source == "config_sentence_transformers.json"


@pytest.mark.parametrize("stated", [{}, {"query": "", "document": ""}, None])
def test_prompts_come_from_the_card_where_the_configuration_has_none(
    make_checkpoint: Any, stated: Any
) -> None:
    directory = make_checkpoint()
    edit(directory, "config_sentence_transformers.json", prompts=stated)
    assert Checkpoint(directory).prompts.by_name == {}
    (directory / "README.md").write_text("encode(['query: a', \"passage: b\"])")
    prompts = Checkpoint(directory).prompts
    assert prompts.by_name == {"query": "query: ", "passage": "passage: "}
    assert prompts.source == "README.md"
    (directory / "README.md").write_text("A query: a text that asks. A passage: another.")
    assert Checkpoint(directory).prompts.by_name == {}


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("config.json", {"model_type": "gemma3"}, "model_type is 'gemma3'"),
        ("config.json", {"hidden_act": "gelu_new"}, "hidden_act is 'gelu_new'"),
        ("config.json", {"position_embedding_type": "relative_key"}, "relative_key"),
        ("config.json", {"position_embedding_type": "rotary"}, "'rotary'; supported is 'absolute'"),
        ("config.json", {"num_hidden_layers": "two"}, r"config\.json"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "mean, max|max, mean"),
        ("1_Pooling/config.json", {"include_prompt": False}, "include_prompt"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "do_lower_case.*supported are"),
    ],
)
def test_unsupported_checkpoints_are_refused(
    make_checkpoint: Any, name: str, changes: dict[str, Any], message: str
) -> None:
    directory = make_checkpoint()
    edit(directory, name, **changes)
    with pytest.raises(CheckpointError, match=message):
        Checkpoint(directory)


def test_a_dense_module_is_refused(make_checkpoint: Any) -> None:
    directory = make_checkpoint()
    modules = json.loads((directory / "modules.json").read_text())
    modules.insert(2, {"idx": 2, "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (directory / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match=r"Dense.*supported are Transformer, Pooling"):
        Checkpoint(directory)


@pytest.mark.shared
def test_a_sentencepiece_model_stands_in_for_tokenizer_json(
    make_checkpoint: Any, shared_dir: Path
) -> None:
    """The pieces, their ids and scores, and the ids of texts, are those of the tokenizer.json."""
    published = json.loads((shared_dir / "tokenizer" / "tokenizer.json").read_text("utf-8"))
    directory = make_checkpoint()
    (directory / "tokenizer.json").unlink()
    shutil.copyfile(
        shared_dir / "tokenizer" / "sentencepiece.bpe.model", directory / "sentencepiece.bpe.model"
    )
    checkpoint = Checkpoint(directory)
    assert checkpoint.tokenizer_file.name == "sentencepiece.bpe.model"
    tokenizer = checkpoint.tokenizer()
    ours, theirs = UnigramVocabulary.from_json(tokenizer), UnigramVocabulary.from_json(published)
    assert ours.pieces == theirs.pieces
    assert ours.scores == theirs.scores
    assert ours.special_ids == theirs.special_ids
    lines = [line for group in verification_lines().values() for line in group]
    ids = [
        [encoding.ids for encoding in load_tokenizer(content).encode_batch(lines)]
        for content in (tokenizer, published)
    ]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("name", ["tokenizer.json", "modules.json", "config.json"])
def test_missing_files_are_named(make_checkpoint: Any, name: str) -> None:
    directory = make_checkpoint()
    (directory / name).unlink()
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        Checkpoint(directory)


def test_a_damaged_sentencepiece_model_is_named(make_checkpoint: Any) -> None:
    directory = make_checkpoint()
    (directory / "tokenizer.json").unlink()
    (directory / "sentencepiece.bpe.model").write_bytes(b"no model")
    with pytest.raises(CheckpointError, match=r"cannot read .*sentencepiece\.bpe\.model"):
        Checkpoint(directory).tokenizer()


@pytest.mark.parametrize("content", ["{", "[1]", '[{"type": "x"}]', "3"])
def test_a_damaged_modules_file_is_named(make_checkpoint: Any, content: str) -> None:
    directory = make_checkpoint()
    (directory / "modules.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"cannot read .*modules\.json"):
        Checkpoint(directory)


def test_weights_are_found_and_checked(make_checkpoint: Any) -> None:
    directory = make_checkpoint(head=True)
    weights = Checkpoint(directory).encoder_weights()
    assert weights["embeddings.word_embeddings.weight"].shape == (20, 32)
    assert "encoder.layer.1.output.LayerNorm.bias" in weights
    edit(directory, "config.json", intermediate_size=128)
    with pytest.raises(CheckpointError, match=r"\(64, 32\).*\(128, 32\)"):
        Checkpoint(directory).encoder_weights()
    (directory / "model.safetensors").write_bytes(b"not a tensor")
    with pytest.raises(CheckpointError, match=r"cannot read the weights.*model\.safetensors"):
        Checkpoint(directory).load_state()
    (directory / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="holds no weights"):
        Checkpoint(directory).load_state()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert.embeddings.LayerNorm.gamma", "embeddings.LayerNorm.weight"),
        ("roberta.embeddings.LayerNorm.beta", "embeddings.LayerNorm.bias"),
        ("encoder.layer.0.output.dense.weight", "encoder.layer.0.output.dense.weight"),
        ("lm_head.bias", "lm_head.bias"),
    ],
)
def test_canonical_names(name: str, expected: str) -> None:
    assert canonical_name(name) == expected


@pytest.mark.parametrize("name", ["../weights.safetensors", "/weights.safetensors", 3])
def test_an_index_that_names_files_elsewhere(make_checkpoint: Any, name: Any) -> None:
    directory = make_checkpoint()
    index = directory / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(CheckpointError, match="expected one in the same directory"):
        Checkpoint(directory).weight_files()


def test_a_configuration_of_a_billion_layers(make_checkpoint: Any) -> None:
    directory = make_checkpoint()
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 10**9}))
    with pytest.raises(CheckpointError, match=r"layers is 1,000,000,000; expected"):
        Checkpoint(directory)
