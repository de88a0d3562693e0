"""Every published encoder, smaller but otherwise as published: prune, convert, embed, compare.

Two layers of 64 channels with random weights and the real vocabulary. Everything that tells the
rows apart is the published model's: kind of model, positions, rows, epsilon, pooling, norm,
prompts, longest input, and the files in which they stand.
"""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from published_encoders import PUBLISHED, write_random_checkpoint

from ondol.convert.build import BuildOptions, build
from ondol.convert.floors import MIN_COSINE
from ondol.runtime.embedder import Embedder
from ondol.runtime.reports import TruncationWarning
from ondol.runtime.similarity import rowwise_cosine
from ondol.variants import Variant
from ondol.vocab_prune.prune import PruneOptions

#: Fewer rows than the default, so that the already pruned vocabulary shrinks as well.
ROWS = 36_000

#: One model of each row of the table; the others of a row differ in size alone.
TESTED = (
    "multilingual-e5-small",
    "dragonkue-KoEn-E5-Tiny",
    "multilingual-e5-large",
    "bge-m3",
    "snowflake-arctic-embed-l-v2.0",
    "granite-embedding-107m-multilingual",
    "paraphrase-multilingual-MiniLM-L12-v2",
)
#: The models of the same rows, smaller or larger.
SAME_BUT_FOR_SIZE = {
    "multilingual-e5-small-ko": "multilingual-e5-small",
    "multilingual-e5-base": "multilingual-e5-large",
    "granite-embedding-278m-multilingual": "granite-embedding-107m-multilingual",
}
BY_NAME = {encoder.name: encoder.scaled(layers=2, hidden_size=64) for encoder in PUBLISHED}

VARIANTS = (Variant.ONNX_FP32, Variant.GGUF_F32, Variant.GGUF_Q8_0)
#: Calibration takes a while: one encoder also gets onnx-int8.
CALIBRATED = "bge-m3"

#: All of whose pieces a prune to ROWS keeps: the pruned model must give the whole model's vectors.
TEXTS = [
    "한국어 문장을 벡터로 바꾼다.",
    "The weather is nice today.",
    "",
    "서울에서 부산까지 기차로 세 시간이 걸린다. The train takes three hours. " * 60,
]

#: Largest difference of an element, as a share of the longest vector.
TOLERANCE = {Variant.ONNX_FP32: 1e-5, Variant.GGUF_F32: 2e-3}

#: Position rows before that of the first token.
EXPECTED_FIRST_POSITION = {"bert": 0, "xlm-roberta": 2}


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    """With two, PyTorch waits a scheduler's turn at every layer of these tiny models."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_each_published_encoder_is_tested_or_like_one_that_is() -> None:
    assert {*TESTED, *SAME_BUT_FOR_SIZE} == BY_NAME.keys()
    for name, other in SAME_BUT_FOR_SIZE.items():
        assert replace(BY_NAME[name], hub_id=BY_NAME[other].hub_id) == BY_NAME[other]


@pytest.mark.shared
@pytest.mark.parametrize("name", TESTED)
def test_prune_convert_embed_and_parity(name: str, shared_dir: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    published = BY_NAME[name]
    source = tmp_path / "checkpoint"
    write_random_checkpoint(published, shared_dir / "tokenizer" / "tokenizer.json", source)
    variants = (*VARIANTS, Variant.ONNX_INT8) if name == CALIBRATED else VARIANTS
    manifest = build(
        BuildOptions(
            str(source),
            tmp_path / "bundle",
            prune=PruneOptions(vocab_size=ROWS),
            variants=variants,
        )
    ).manifest

    architecture = manifest.architecture
    assert architecture.model_type == published.config["model_type"]
    assert architecture.first_position == EXPECTED_FIRST_POSITION[architecture.model_type]
    assert architecture.max_tokens == published.max_seq_length
    assert manifest.vocabulary.source_rows == published.config["vocab_size"]
    assert manifest.vocabulary.rows == ROWS
    assert (manifest.pooling, manifest.normalize) == (published.pooling, published.normalize)
    assert manifest.prompts == published.all_prompts
    assert {record.name for record in manifest.variants} == {*variants}
    for record in manifest.variants:
        assert record.vector_parity.min_cosine >= MIN_COSINE[record.name]

    reference = SentenceTransformer(str(source), device="cpu", model_kwargs={"dtype": "float32"})
    expected = reference.encode(TEXTS, batch_size=1)
    norms = np.linalg.norm(expected, axis=1)
    assert np.allclose(norms, 1) is published.normalize
    for variant, tolerance in TOLERANCE.items():
        with Embedder(tmp_path / "bundle", variant=variant.value) as model:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", TruncationWarning)
                result = model.embed(TEXTS)
            query = model.encode_query(TEXTS[0])
            document = model.encode_document(TEXTS[1])
        assert result.truncated == ((3,) if published.max_seq_length <= 512 else ())
        assert np.abs(result.vectors - expected).max() <= tolerance * norms.max()
        assert rowwise_cosine(result.vectors, expected).min() >= MIN_COSINE[variant]
        prompts = manifest.prompts
        for vector, text, prompt in (
            (query, TEXTS[0], prompts.get("query", "")),
            (document, TEXTS[1], prompts.get("passage", "")),
        ):
            wanted = reference.encode(prompt + text)
            assert np.abs(vector - wanted).max() <= tolerance * norms.max()
