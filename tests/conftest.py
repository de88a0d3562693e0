"""Fixtures that every folder of tests uses: a tiny tokenizer, tiny checkpoints, shared data."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Machines that run this are shared: a slow example says nothing about the code.
settings.register_profile("ondol", deadline=None)
settings.load_profile("ondol")

# A shell gives what it runs in the background a Ctrl-C that is ignored, and the commands that
# the tests start inherit it (POSIX, Shell Command Language, "Asynchronous Lists").
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: A dozen ordinary pieces that can be checked by hand, between XLM-R's special tokens, in the order
#: of their scores as SentencePiece writes them.
PIECES = [
    ("▁", -2.0),
    ("▁한", -2.5),
    ("국", -3.0),
    ("▁a", -3.5),
    ("b", -4.0),
    ("▁한국", -4.5),
    ("어", -5.0),
    ("▁ab", -5.5),
    ("한", -6.0),
    ("a", -6.5),
    ("ж", -7.0),
    ("▁жж", -7.5),
]


@pytest.fixture
def tiny_tokenizer() -> dict[str, Any]:
    """The content of a tokenizer.json of XLM-R's form: 4 special pieces, 12 others, `<mask>`."""
    return _tiny_tokenizer()


def _tiny_tokenizer() -> dict[str, Any]:
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    vocab = [[piece, 0.0] for piece in special] + [list(p) for p in PIECES] + [["<mask>", 0.0]]
    flags = {"single_word": False, "rstrip": False, "normalized": False, "special": True}
    added = [
        {"id": i, "content": piece, "lstrip": False, **flags} for i, piece in enumerate(special)
    ]
    added.append({"id": len(vocab) - 1, "content": "<mask>", "lstrip": True, **flags})
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}

    def token(piece: str) -> dict[str, Any]:
        return {"SpecialToken": {"id": piece, "type_id": 0}}

    def sequence(name: str) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": 0}}

    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("<s>"), sequence("A"), token("</s>")],
            "pair": [
                token("<s>"),
                sequence("A"),
                token("</s>"),
                token("</s>"),
                sequence("B"),
                token("</s>"),
            ],
            "special_tokens": {
                "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]},
            },
        },
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": 3, "vocab": vocab, "byte_fallback": False},
    }


MakeCheckpoint = Callable[..., Path]


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> MakeCheckpoint:
    """Write a random two-layer checkpoint in sentence-transformers' form; returns its directory.

    Keyword arguments: name (of the directory), model_type ("bert" or "xlm-roberta"), pooling,
    normalize, tokenizer (parsed tokenizer.json), extra_rows (embedding rows past the tokenizer's),
    head (a masked language model around the encoder, so that names carry a prefix), hidden_size,
    max_tokens.
    """

    def make(*, name: str = "checkpoint", **options: Any) -> Path:
        return _write_checkpoint(tmp_path / name, **options)

    return make


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a tiny BertModel with the float variants and one quantized one. Do not change it:
    copy it first.
    """
    from ondol.convert.build import BuildOptions, build
    from ondol.variants import Variant

    root = tmp_path_factory.mktemp("tiny")
    checkpoint = _write_checkpoint(root / "checkpoint")
    variants = (
        Variant.ONNX_FP32,
        Variant.ONNX_INT8,
        Variant.ONNX_INT4,
        Variant.GGUF_F32,
        Variant.GGUF_F16,
    )
    build(BuildOptions(str(checkpoint), root / "bundle", prune=None, variants=variants))
    return root / "bundle"


@pytest.fixture
def make_reranker(tmp_path: Path) -> MakeCheckpoint:
    """Write a random two-layer reranker as bge-reranker-v2-m3's files are; returns its directory.

    Keyword arguments: name (of the directory), labels, max_tokens.
    """

    def make(*, name: str = "reranker", **options: Any) -> Path:
        return _write_reranker(tmp_path / name, **options)

    return make


@pytest.fixture(scope="session")
def tiny_reranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a tiny reranker in `checkpoint` and its bundle in `bundle`. Do not change
    it: copy it first.

    Random weights have no structure that quantizing could keep: its quantized variants have wider
    ceilings than those of a trained reranker.
    """
    from ondol.convert import build as stage
    from ondol.convert.build import BuildOptions, build
    from ondol.convert.floors import MAX_MEAN_SCORE_ERROR
    from ondol.variants import Variant

    root = tmp_path_factory.mktemp("tiny-reranker")
    checkpoint = _write_reranker(root / "checkpoint")
    variants = (
        Variant.ONNX_FP32,
        Variant.ONNX_INT8,
        Variant.ONNX_INT4,
        Variant.GGUF_F32,
        Variant.GGUF_Q8_0,
    )
    wide = {variant: 1.0 for variant in variants if variant.precision not in ("fp32", "f32")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "MAX_MEAN_SCORE_ERROR", {**MAX_MEAN_SCORE_ERROR, **wide})
        build(BuildOptions(str(checkpoint), root / "bundle", prune=None, variants=variants))
    return root


def _write_reranker(directory: Path, *, labels: int = 1, max_tokens: int = 24) -> Path:
    import torch
    import transformers

    tokenizer = _tiny_tokenizer()
    config = transformers.XLMRobertaConfig(
        vocab_size=len(tokenizer["model"]["vocab"]),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=max_tokens + 2,
        type_vocab_size=1,
        initializer_range=0.3,
        num_labels=labels,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        layer_norm_eps=1e-5,
    )
    torch.manual_seed(7)
    model = transformers.XLMRobertaForSequenceClassification(config)
    model.save_pretrained(directory)
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (directory / "tokenizer_config.json").write_text(
        json.dumps(_tokenizer_config(tokenizer, max_tokens)), encoding="utf-8"
    )
    return directory


def _tokenizer_config(tokenizer: dict[str, Any], max_tokens: int) -> dict[str, Any]:
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
        "added_tokens_decoder": {
            str(added["id"]): {k: v for k, v in added.items() if k != "id"}
            for added in tokenizer["added_tokens"]
        },
    }


def _write_checkpoint(
    directory: Path,
    *,
    model_type: str = "bert",
    pooling: str = "mean",
    normalize: bool = True,
    tokenizer: dict[str, Any] | None = None,
    extra_rows: int = 3,
    head: bool = False,
    hidden_size: int = 32,
    max_tokens: int = 24,
) -> Path:
    import torch
    import transformers

    tokenizer = _tiny_tokenizer() if tokenizer is None else tokenizer
    config_class, model_class, head_class = {
        "bert": (
            transformers.BertConfig,
            transformers.BertModel,
            transformers.BertForMaskedLM,
        ),
        "xlm-roberta": (
            transformers.XLMRobertaConfig,
            transformers.XLMRobertaModel,
            transformers.XLMRobertaForMaskedLM,
        ),
    }[model_type]
    first_position = 0 if model_type == "bert" else 2
    config = config_class(
        vocab_size=len(tokenizer["model"]["vocab"]) + extra_rows,
        hidden_size=hidden_size,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * hidden_size,
        max_position_embeddings=max_tokens + first_position,
        type_vocab_size=2 if model_type == "bert" else 1,
        initializer_range=0.5,  # small random weights would hide a wrong position or segment
        pad_token_id=0 if model_type == "bert" else 1,
    )
    torch.manual_seed(7)
    model = (head_class if head else model_class)(config)
    model.save_pretrained(directory)

    def write(path: str, content: Any) -> None:
        target = directory / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    modules = ["Transformer", "Pooling"] + ["Normalize"] * normalize
    paths = ["", "1_Pooling", "2_Normalize"]
    write("tokenizer.json", tokenizer)
    write(
        "modules.json",
        [
            {
                "idx": i,
                "name": str(i),
                "path": paths[i],
                "type": f"sentence_transformers.models.{kind}",
            }
            for i, kind in enumerate(modules)
        ],
    )
    write(
        "1_Pooling/config.json",
        {
            "word_embedding_dimension": hidden_size,
            "pooling_mode_cls_token": pooling == "cls",
            "pooling_mode_mean_tokens": pooling == "mean",
            "pooling_mode_lasttoken": pooling == "lasttoken",
            "include_prompt": True,
        },
    )
    if normalize:
        (directory / "2_Normalize").mkdir()
    write("sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    write(
        "config_sentence_transformers.json",
        {"prompts": {"query": "a ", "passage": "b "}, "default_prompt_name": None},
    )
    write("tokenizer_config.json", _tokenizer_config(tokenizer, max_tokens))
    return directory


MakeGguf = Callable[..., Path]


@pytest.fixture
def make_gguf(tmp_path: Path) -> MakeGguf:
    """Write a checkpoint directory as a GGUF file, quantized ones through a float32 file."""

    def make(checkpoint_dir: Path, variant: str = "gguf-f32") -> Path:
        from ondol.checkpoint import Checkpoint
        from ondol.convert.gguf_quantize import quantize_gguf
        from ondol.convert.gguf_writer import write_gguf
        from ondol.variants import Variant

        wanted = Variant.parse(variant)
        written = wanted if wanted is Variant.GGUF_F16 else Variant.GGUF_F32
        checkpoint = Checkpoint(checkpoint_dir)
        path = tmp_path / f"{checkpoint_dir.name}-{written.precision}.gguf"
        write_gguf(
            path,
            architecture=checkpoint.architecture,
            weights={n: t.numpy() for n, t in checkpoint.encoder_weights().items()},
            tokenizer=checkpoint.tokenizer(),
            pooling=checkpoint.pooling,
            name="tiny",
            variant=written,
        )
        if wanted is written:
            return path
        target = path.with_name(f"{checkpoint_dir.name}-{wanted.precision}.gguf")
        quantize_gguf(path, target, wanted, threads=2)
        return target

    return make


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with evaluation data, corpora, tokenizer and stand-in beside the repository."""
    path = Path(__file__).parents[2] / "shared"
    if not path.is_dir():
        pytest.skip("needs the shared data beside the repository")
    return path
