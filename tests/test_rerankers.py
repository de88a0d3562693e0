"""bge-reranker-v2-m3's configuration and the real vocabulary, with few channels: the whole way."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import CrossEncoder

from ondol import Reranker
from ondol.convert.build import BuildOptions, build
from ondol.variants import Variant
from ondol.vocab_prune.prune import PruneOptions

#: config.json of BAAI/bge-reranker-v2-m3 and of dragonkue/bge-reranker-v2-m3-ko (one label,
#: 8,194 positions), with 2 layers of 64 channels in place of 24 of 1,024.
CONFIG = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "vocab_size": 250_002,
    "max_position_embeddings": 8194,
    "type_vocab_size": 1,
    "num_labels": 1,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "layer_norm_eps": 1e-5,
    "initializer_range": 0.1,
}
MAX_TOKENS = 8192

#: All of whose pieces the prune keeps. The last pair has more than 8,192 tokens: the reference
#: takes them from its document first, and at the end from both.
PAIRS = [
    ("온돌은 어떻게 방을 데우나요?", "온돌은 바닥을 데운다."),
    ("온돌은 어떻게 방을 데우나요?", "The stock market fell on Monday."),
    ("weather", ""),
    ("The train takes three hours. " * 20, "서울에서 부산까지 기차로 세 시간이 걸린다. " * 700),
]

#: Largest difference of a score. llama.cpp computes GELU from a table of float16 values.
TOLERANCE = {Variant.ONNX_FP32: 1e-5, Variant.GGUF_F32: 2e-3}


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore::ondol.TruncationWarning")
def test_prune_convert_rank_and_parity(shared_dir: Path, tmp_path: Path) -> None:
    import torch
    import transformers

    source = tmp_path / "bge-reranker"
    torch.manual_seed(3)
    model = transformers.XLMRobertaForSequenceClassification(
        transformers.XLMRobertaConfig(**CONFIG)
    )
    model.save_pretrained(source)
    shutil.copyfile(shared_dir / "tokenizer/tokenizer.json", source / "tokenizer.json")
    (source / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "XLMRobertaTokenizer",
                "model_max_length": MAX_TOKENS,
                "bos_token": "<s>",
                "cls_token": "<s>",
                "eos_token": "</s>",
                "sep_token": "</s>",
                "unk_token": "<unk>",
                "pad_token": "<pad>",
                "mask_token": "<mask>",
            }
        )
    )
    manifest = build(
        BuildOptions(
            str(source),
            tmp_path / "bundle",
            prune=PruneOptions(vocab_size=36_000),
            variants=(*TOLERANCE,),
        )
    ).manifest
    assert manifest.vocabulary.rows == 36_000
    assert manifest.architecture.max_tokens == MAX_TOKENS

    expected = CrossEncoder(str(source), device="cpu").predict(PAIRS, batch_size=1)
    assert np.ptp(expected) > 0.01, "equal scores would show nothing"
    for variant, tolerance in TOLERANCE.items():
        with Reranker(tmp_path / "bundle", variant=variant.value) as reranker:
            result = reranker.score(PAIRS)
        assert result.truncated == (3,)
        assert result.token_counts[3] == MAX_TOKENS
        assert np.abs(result.scores - expected).max() <= tolerance
