"""The encoders that ondol is meant for, as their repositories describe them, without their weights.

Every value stands in the files that the model's repository on the hub holds under these names.
`write_random_checkpoint` makes a checkpoint of them with random weights, so that shapes, files and
tokenizer are those of the published model where its weights cannot be had.
"""

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ondol.checkpoint import Checkpoint, Pooling
from ondol.vocab_prune.prune import PruneOptions, prune


@dataclass(frozen=True)
class PublishedEncoder:
    """One row of the table of encoders.

    Attributes:
        hub_id: of the repository.
        config: of config.json, what describes the shape.
        pooling, normalize: of modules.json and 1_Pooling/config.json.
        max_seq_length: of sentence_bert_config.json.
        prompts: of config_sentence_transformers.json.
        card: a line of README.md, where the prompts stand in its examples alone.
        dtype: of the weights, as torch names it.
        pickled: the weights are pytorch_model.bin; else model.safetensors.
        pruned_rows: rows that the published vocabulary was pruned to; None for all of XLM-R's.
    """

    hub_id: str
    config: Mapping[str, Any]
    pooling: Pooling
    normalize: bool
    max_seq_length: int
    prompts: Mapping[str, str] = field(default_factory=dict)
    card: str = ""
    dtype: str = "float32"
    pickled: bool = False
    pruned_rows: int | None = None

    @property
    def name(self) -> str:
        """The last part of the hub id."""
        return self.hub_id.rpartition("/")[2]

    @property
    def all_prompts(self) -> Mapping[str, str]:
        """By name, wherever the repository states them."""
        return {"query": "query: ", "passage": "passage: "} if self.card else self.prompts

    def scaled(self, *, layers: int, hidden_size: int) -> "PublishedEncoder":
        """The same model with fewer layers and channels; everything else is as published."""
        config = {
            **self.config,
            "num_hidden_layers": layers,
            "hidden_size": hidden_size,
            "intermediate_size": 4 * hidden_size,
            "num_attention_heads": hidden_size // 16,
        }
        return replace(self, config=config)


def _bert(layers: int, hidden_size: int, rows: int) -> Mapping[str, Any]:
    """BertModel with XLM-R's tokenizer: 250,037 rows for 250,002 pieces, pad_token_id 0."""
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "num_hidden_layers": layers,
        "hidden_size": hidden_size,
        "num_attention_heads": 12,
        "intermediate_size": 4 * hidden_size,
        "max_position_embeddings": 512,
        "vocab_size": rows,
        "type_vocab_size": 2,
        "pad_token_id": 0,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
    }


def _xlm_roberta(layers: int, hidden_size: int, heads: int, positions: int) -> Mapping[str, Any]:
    """XLMRobertaModel: two rows of `positions` come before the first token's."""
    return {
        "architectures": ["XLMRobertaModel"],
        "model_type": "xlm-roberta",
        "num_hidden_layers": layers,
        "hidden_size": hidden_size,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden_size,
        "max_position_embeddings": positions,
        "vocab_size": 250_002,
        "type_vocab_size": 1,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "layer_norm_eps": 1e-05,
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
    }


_E5_CARD = "input_texts = ['query: how much protein', \"passage: As a general guideline\"]"

PUBLISHED = (
    PublishedEncoder(
        "intfloat/multilingual-e5-small",
        _bert(12, 384, 250_037),
        Pooling.MEAN,
        normalize=True,
        max_seq_length=512,
        card=_E5_CARD,
    ),
    PublishedEncoder(
        "dragonkue/multilingual-e5-small-ko",
        _bert(12, 384, 250_037),
        Pooling.MEAN,
        normalize=True,
        max_seq_length=512,
        card=_E5_CARD,
    ),
    PublishedEncoder(
        "exp-models/dragonkue-KoEn-E5-Tiny",
        _bert(12, 384, 41_348),
        Pooling.MEAN,
        normalize=True,
        max_seq_length=512,
        card=_E5_CARD,
        pruned_rows=41_348,
    ),
    PublishedEncoder(
        "intfloat/multilingual-e5-base",
        _xlm_roberta(12, 768, 12, 514),
        Pooling.MEAN,
        normalize=True,
        max_seq_length=512,
        card=_E5_CARD,
    ),
    PublishedEncoder(
        "intfloat/multilingual-e5-large",
        _xlm_roberta(24, 1024, 16, 514),
        Pooling.MEAN,
        normalize=True,
        max_seq_length=512,
        card=_E5_CARD,
    ),
    PublishedEncoder(
        "BAAI/bge-m3",
        _xlm_roberta(24, 1024, 16, 8194),
        Pooling.CLS,
        normalize=True,
        max_seq_length=8192,
        pickled=True,
    ),
    PublishedEncoder(
        "Snowflake/snowflake-arctic-embed-l-v2.0",
        _xlm_roberta(24, 1024, 16, 8194),
        Pooling.CLS,
        normalize=True,
        max_seq_length=8192,
        prompts={"query": "query: "},
    ),
    PublishedEncoder(
        "ibm-granite/granite-embedding-107m-multilingual",
        _xlm_roberta(6, 384, 12, 514),
        Pooling.CLS,
        normalize=True,
        max_seq_length=512,
        dtype="bfloat16",
    ),
    PublishedEncoder(
        "ibm-granite/granite-embedding-278m-multilingual",
        _xlm_roberta(12, 768, 12, 514),
        Pooling.CLS,
        normalize=True,
        max_seq_length=512,
        dtype="bfloat16",
    ),
    PublishedEncoder(
        "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
        _bert(12, 384, 250_037),
        Pooling.MEAN,
        normalize=False,
        max_seq_length=128,
    ),
)


def write_random_checkpoint(encoder: PublishedEncoder, tokenizer: Path, directory: Path) -> None:
    """Write `encoder` with random weights as sentence-transformers saves it.

    tokenizer: XLM-R's tokenizer.json, which all of them have. Which pieces a pruned vocabulary
        holds is not known; it gets those that ondol's own prune of that size keeps.
    directory: new.
    """
    if encoder.pruned_rows is None:
        _write(encoder, tokenizer, directory)
    else:
        full = directory.with_name(f"{directory.name}-whole")
        config = {**encoder.config, "vocab_size": 250_037}
        _write(replace(encoder, config=config), tokenizer, full)
        prune(Checkpoint(full), directory, PruneOptions(vocab_size=encoder.pruned_rows))
        shutil.rmtree(full)


def _write(encoder: PublishedEncoder, tokenizer: Path, directory: Path) -> None:
    import torch
    import transformers

    config_class, model_class = {
        "bert": (transformers.BertConfig, transformers.BertModel),
        "xlm-roberta": (transformers.XLMRobertaConfig, transformers.XLMRobertaModel),
    }[encoder.config["model_type"]]
    # Weights as small as those that training starts from would leave every text's vector alike and
    # hide a wrong position or segment. These keep a vector's size from layer to layer.
    deviation = 1 / math.sqrt(encoder.config["hidden_size"])
    torch.manual_seed(0)
    config = config_class.from_dict({**encoder.config, "initializer_range": deviation})
    model = model_class(config, add_pooling_layer=False).to(getattr(torch, encoder.dtype))
    model.save_pretrained(directory)
    if encoder.pickled:
        (directory / "model.safetensors").unlink()
        torch.save(model.state_dict(), directory / "pytorch_model.bin")
    shutil.copyfile(tokenizer, directory / "tokenizer.json")
    kinds = ["Transformer", "Pooling", "Normalize"][: 3 if encoder.normalize else 2]
    paths = ["", *(f"{number}_{kind}" for number, kind in enumerate(kinds) if number)]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    pooling = {
        "word_embedding_dimension": encoder.config["hidden_size"],
        "pooling_mode_cls_token": encoder.pooling is Pooling.CLS,
        "pooling_mode_mean_tokens": encoder.pooling is Pooling.MEAN,
        "include_prompt": True,
    }
    for name, content in (
        ("modules.json", modules),
        ("1_Pooling/config.json", pooling),
        ("sentence_bert_config.json", {"max_seq_length": encoder.max_seq_length}),
        ("config_sentence_transformers.json", {"prompts": dict(encoder.prompts)}),
        ("tokenizer_config.json", _tokenizer_config(encoder.max_seq_length)),
    ):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(json.dumps(content), encoding="utf-8")
    if encoder.normalize:
        (directory / "2_Normalize").mkdir()
    (directory / "README.md").write_text(f"# {encoder.name}\n\n{encoder.card}\n", encoding="utf-8")


def _tokenizer_config(max_tokens: int) -> Mapping[str, Any]:
    return {
        "tokenizer_class": "XLMRobertaTokenizer",
        "model_max_length": max_tokens,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "mask_token": "<mask>",
    }
