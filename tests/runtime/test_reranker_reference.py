"""Reranker against CrossEncoder on one checkpoint: the whole vocabulary, every kind of pair."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ondol import Reranker
from ondol.convert.build import BuildOptions, build
from ondol.convert.reference import reference_pairs
from ondol.variants import Variant

ROWS = 250_037
MAX_TOKENS = 512
TOLERANCE = 1e-5  # of a score from 0 to 1


def write_reranker(directory: Path, tokenizer: Path) -> None:
    """Random weights, large enough that every pair gets a score of its own."""
    import torch
    import transformers

    config = transformers.XLMRobertaConfig(
        vocab_size=ROWS,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS + 2,
        type_vocab_size=1,
        initializer_range=0.3,
        num_labels=1,
    )
    torch.manual_seed(11)
    transformers.XLMRobertaForSequenceClassification(config).save_pretrained(directory)
    shutil.copyfile(tokenizer, directory / "tokenizer.json")
    special = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    special |= {"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}
    stated = {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": MAX_TOKENS}
    (directory / "tokenizer_config.json").write_text(json.dumps(special | stated))


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore::ondol.TruncationWarning")
def test_scores_are_those_of_cross_encoder(shared_dir: Path, tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    source, bundle = tmp_path / "reranker", tmp_path / "bundle"
    write_reranker(source, shared_dir / "tokenizer" / "tokenizer.json")
    build(BuildOptions(str(source), bundle, prune=None, variants=(Variant.ONNX_FP32,)))
    # Besides the bundle's own pairs: too long in the query alone, in both, and just too long.
    pairs = [
        *reference_pairs(),
        ("오래된 온돌방의 아랫목 " * 300, "short"),
        ("why is the floor warm " * 200, "바닥이 따뜻한 까닭은 " * 200),
        ("a", "온돌 " * (MAX_TOKENS - 4)),
    ]
    expected = CrossEncoder(str(source), device="cpu").predict(pairs)
    assert expected.std() > 0.1, "equal scores would show nothing"
    with Reranker(bundle, variant="onnx-fp32") as reranker:
        result = reranker.score(pairs)
        assert np.abs(reranker.predict(pairs) - expected).max() <= TOLERANCE
    assert set(result.truncated) >= {len(pairs) - 3, len(pairs) - 2}
    assert result.token_counts[list(result.truncated)].tolist() == [MAX_TOKENS] * len(
        result.truncated
    )
