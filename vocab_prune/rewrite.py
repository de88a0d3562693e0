"""Rewrite a checkpoint for the pieces that are kept: tokenizer, SentencePiece model, rows, ids."""

import copy
import itertools
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ondol.checkpoint import Checkpoint, canonical_name, understood
from ondol.errors import ConversionError, MissingDependencyError, OutputError
from ondol.vocab_prune.unigram import UnigramVocabulary

if TYPE_CHECKING:
    import torch

#: Tensors with one row per vocabulary entry, by canonical name: the word embedding, and the masked
#: language model's output layer that BERT and XLM-RoBERTa checkpoints may carry along.
_ROW_TENSORS = frozenset(
    {
        "embeddings.word_embeddings.weight",
        "lm_head.bias",
        "lm_head.decoder.bias",
        "lm_head.decoder.weight",
        "cls.predictions.bias",
        "cls.predictions.decoder.bias",
        "cls.predictions.decoder.weight",
    }
)

#: Small files of a sentence-transformers directory that say nothing about the vocabulary.
_COPIED = (
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "special_tokens_map.json",
    "README.md",
)


def prune_tokenizer_json(tokenizer: Mapping[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """The content of tokenizer.json with only the pieces `kept` (old ids, ascending).

    Pieces keep their order and their scores to the last bit; every id that the file states
    (unknown piece, added tokens, post-processor, padding) is the new one.

    Raises ConversionError if `kept` is not ascending or leaves out a special token.
    """
    vocabulary = UnigramVocabulary.from_json(tokenizer)
    new_ids = _new_ids(vocabulary, kept)
    vocab = tokenizer["model"]["vocab"]
    # Without the vocabulary, whose copy takes a second and is mostly thrown away.
    pruned = copy.deepcopy({**tokenizer, "model": {**tokenizer["model"], "vocab": None}})
    pruned["model"]["vocab"] = [list(vocab[old]) for old in kept]
    pruned["model"]["unk_id"] = new_ids[vocabulary.unk_id]
    for token in pruned.get("added_tokens", []):
        token["id"] = new_ids[token["id"]]
    if pruned.get("post_processor"):
        _renumber_post_processor(pruned["post_processor"], vocabulary, new_ids)
    if pruned.get("padding"):
        pruned["padding"]["pad_id"] = new_ids[pruned["padding"]["pad_id"]]
    return pruned


def _new_ids(vocabulary: UnigramVocabulary, kept: Sequence[int]) -> dict[int, int]:
    if any(a >= b for a, b in itertools.pairwise(kept)):
        raise ConversionError("kept ids must be ascending: the order of the pieces must not change")
    lost = sorted(vocabulary.special_ids - set(kept))
    if lost:
        raise ConversionError(
            f"kept ids leave out the special token {vocabulary.pieces[lost[0]]!r}"
        )
    return {old: new for new, old in enumerate(kept)}


def _new_id(new_ids: Mapping[int, int], old: int, file: str) -> int:
    """Raises ConversionError if `old`, which `file` names, is no kept id."""
    if old not in new_ids:
        raise ConversionError(
            f"{file} names the token id {old}, which is no added token of tokenizer.json; the two "
            "are not of one tokenizer"
        )
    return new_ids[old]


def _renumber_post_processor(
    processor: dict[str, Any], vocabulary: UnigramVocabulary, new_ids: Mapping[int, int]
) -> None:
    """Rewrite the ids inside `processor`, of any of the kinds that XLM-R tokenizers carry."""
    match processor["type"]:
        case "TemplateProcessing":
            for token in processor["special_tokens"].values():
                token["ids"] = [new_ids[old] for old in token["ids"]]
        case "RobertaProcessing" | "BertProcessing":
            for name in ("sep", "cls"):
                piece, _ = processor[name]
                processor[name] = [piece, new_ids[vocabulary.ids[piece]]]
        case "Sequence":
            for part in processor["processors"]:
                _renumber_post_processor(part, vocabulary, new_ids)
        case "ByteLevel":
            pass  # holds no ids
        case kind:
            raise ConversionError(
                f"tokenizer.json has a {kind} post-processor; supported are TemplateProcessing, "
                "RobertaProcessing and BertProcessing"
            )


def prune_sentencepiece(model: bytes, vocabulary: UnigramVocabulary, kept: Sequence[int]) -> bytes:
    """A serialised SentencePiece ModelProto with only the pieces `kept` (ids of `vocabulary`).

    SentencePiece numbers its control pieces differently (`<unk>` first) and has no `<mask>`, so
    pieces are matched by their text; the model's own control and unknown pieces always stay.
    """
    try:
        from sentencepiece import sentencepiece_model_pb2
    except ImportError as error:
        raise MissingDependencyError(
            "rewriting sentencepiece.bpe.model", "sentencepiece", "convert"
        ) from error
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    wanted = {vocabulary.pieces[index] for index in kept}
    normal = sentencepiece_model_pb2.ModelProto.SentencePiece.NORMAL
    pieces = [piece for piece in proto.pieces if piece.type != normal or piece.piece in wanted]
    del proto.pieces[:]
    proto.pieces.extend(pieces)
    proto.trainer_spec.vocab_size = len(pieces)
    return bytes(proto.SerializeToString(deterministic=True))


def prune_state(
    state: "Mapping[str, torch.Tensor]", rows: int, kept: Sequence[int]
) -> "dict[str, torch.Tensor]":
    """The weights with only the rows `kept` of every tensor that has one row per piece.

    Args:
        state: tensors by name; `rows` is the first dimension of those with one row per piece.

    Raises ConversionError for a tensor of `rows` rows whose meaning is not known: leaving it whole
    would give a checkpoint that does not load, cutting it would guess.
    """
    import torch

    index = torch.tensor(list(kept), dtype=torch.long)
    pruned = {}
    for name, tensor in state.items():
        if canonical_name(name) in _ROW_TENSORS:
            if not tensor.ndim or tensor.shape[0] != rows:
                raise ConversionError(
                    f"the tensor {name} has shape {tuple(tensor.shape)}; expected {rows:,} rows, "
                    "as config.json says"
                )
            pruned[name] = tensor.index_select(0, index).contiguous()
        elif tensor.ndim and tensor.shape[0] == rows:
            raise ConversionError(
                f"the tensor {name} of shape {tuple(tensor.shape)} has one row per piece, but it "
                "is none that pruning knows; supported are encoders with or without a masked "
                "language model's head"
            )
        else:
            pruned[name] = tensor.contiguous()
    return pruned


def write_pruned_checkpoint(source: Checkpoint, kept: Sequence[int], out: Path) -> list[str]:
    """Write `source` with only the pieces `kept` into the existing, empty directory `out`.

    Rows of the word embedding past the tokenizer's last entry are dropped: no text reaches them.
    Returns the names of the files of `source` that were not taken along.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tokenizer = source.tokenizer()
    vocabulary = UnigramVocabulary.from_json(tokenizer)
    if len(vocabulary) > source.architecture.vocab_rows:
        raise ConversionError(
            f"tokenizer.json has {len(vocabulary):,} entries but the word embedding only "
            f"{source.architecture.vocab_rows:,} rows; they are not of one model"
        )
    state = prune_state(source.load_state(), source.architecture.vocab_rows, kept)
    try:
        save_file(state, out / "model.safetensors", metadata={"format": "pt"})
    except SafetensorError as error:
        # Its own error for a full disk too; it does not say which file.
        raise OutputError(f"cannot write model.safetensors into {out.parent}: {error}") from error
    with understood(source.directory):
        return _write_files(source, tokenizer, vocabulary, kept, out)


def _write_files(
    source: Checkpoint,
    tokenizer: Mapping[str, Any],
    vocabulary: UnigramVocabulary,
    kept: Sequence[int],
    out: Path,
) -> list[str]:
    """All but the weights. Returns the names of the files that were not taken along."""
    new_ids = _new_ids(vocabulary, kept)
    _write_json(out / "tokenizer.json", prune_tokenizer_json(tokenizer, kept), indent=None)
    _write_json(out / "config.json", _pruned_config(source.config, new_ids))

    taken = {"config.json", "tokenizer.json", *(path.name for path in source.weight_files())}
    taken |= {"model.safetensors.index.json", "pytorch_model.bin.index.json"}
    for name in _COPIED:
        if (source.directory / name).is_file():
            shutil.copyfile(source.directory / name, out / name)
            taken.add(name)
    # A reranker may have none.
    modules = source.directory / "modules.json"
    for module in json.loads(modules.read_text(encoding="utf-8")) if modules.is_file() else ():
        if module["path"]:
            (out / module["path"]).mkdir()
            taken.add(module["path"])
            config = source.directory / module["path"] / "config.json"
            if config.is_file():
                shutil.copyfile(config, out / module["path"] / "config.json")
    if (source.directory / "tokenizer_config.json").is_file():
        content = source.read_json("tokenizer_config.json")
        if "added_tokens_decoder" in content:
            content["added_tokens_decoder"] = {
                str(_new_id(new_ids, int(old), "tokenizer_config.json")): token
                for old, token in content["added_tokens_decoder"].items()
            }
        _write_json(out / "tokenizer_config.json", content)
        taken.add("tokenizer_config.json")
    if (source.directory / "added_tokens.json").is_file():
        content = source.read_json("added_tokens.json")
        _write_json(
            out / "added_tokens.json",
            {token: _new_id(new_ids, old, "added_tokens.json") for token, old in content.items()},
        )
        taken.add("added_tokens.json")
    if (source.directory / "sentencepiece.bpe.model").is_file():
        model = (source.directory / "sentencepiece.bpe.model").read_bytes()
        (out / "sentencepiece.bpe.model").write_bytes(prune_sentencepiece(model, vocabulary, kept))
        taken.add("sentencepiece.bpe.model")
    return sorted(path.name for path in source.directory.iterdir() if path.name not in taken)


def _pruned_config(config: Mapping[str, Any], new_ids: Mapping[int, int]) -> dict[str, Any]:
    """config.json with the new number of rows and the new ids of special tokens.

    BertModel checkpoints of this family state pad_token_id 0 although the tokenizer's is 1. Ids
    below the first dropped one do not change, so the statement stays as it was.
    """
    pruned = dict(config)
    pruned["vocab_size"] = len(new_ids)
    for name, value in config.items():
        if name.endswith("_token_id") and isinstance(value, int) and value in new_ids:
            pruned[name] = new_ids[value]
    return pruned


def _write_json(path: Path, content: Any, indent: int | None = 2) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=indent)
    path.write_text(text + "\n", encoding="utf-8")
