"""The whole way on real input: the stand-in checkpoint with the real XLM-R vocabulary."""

import json
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from ondol import Embedder
from ondol.checkpoint import Checkpoint
from ondol.convert.build import BuildOptions, BuildReport, build
from ondol.convert.floors import MIN_COSINE
from ondol.manifest import Manifest
from ondol.runtime.default import default_bundle
from ondol.runtime.similarity import rowwise_cosine
from ondol.variants import Variant
from ondol.vocab_prune.prune import PruneOptions, prune

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def standin(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shared") / "standin"
    command = [sys.executable, str(shared_dir / "standin" / "expand.py"), str(out)]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    return out


@pytest.fixture(scope="module")
def built(standin: Path) -> BuildReport:
    """The default bundle's own options, with every variant."""
    options = BuildOptions(
        source=str(standin),
        out=standin.parent / "bundle",
        prune=PruneOptions(vocab_size=Manifest.read(default_bundle()).vocabulary.rows),
        prompts={"query": "query: ", "passage": "passage: "},
    )
    return build(options)


@pytest.fixture(scope="module")
def card_example(shared_dir: Path) -> list[str]:
    """The three texts of the model card: a question and two passages."""
    path = shared_dir / "eval" / "card_example.json"
    texts: list[str] = json.loads(path.read_text(encoding="utf-8"))
    return texts


def test_golden_ids_of_the_full_vocabulary(shared_dir: Path) -> None:
    tokenizer = Tokenizer.from_file(str(shared_dir / "tokenizer" / "tokenizer.json"))
    expected = [0, 41, 1294, 12, 34062, 25204, 1190, 2]
    assert tokenizer.encode("query: 국내 여행지").ids == expected


def test_a_prune_keeps_pieces_and_vectors(
    standin: Path, tmp_path: Path, card_example: list[str]
) -> None:
    from sentence_transformers import SentenceTransformer

    report = prune(Checkpoint(standin), tmp_path / "pruned", PruneOptions(vocab_size=41_348))
    kept = report.selection.kept
    assert len(kept) == 41_348
    full = SentenceTransformer(str(standin), device="cpu")
    pruned = SentenceTransformer(str(tmp_path / "pruned"), device="cpu")
    assert pruned[0].auto_model.embeddings.word_embeddings.num_embeddings == 41_348
    texts = [*card_example, "query: 국내 여행지", "passage: The quick brown fox.", ""]
    for text in texts:
        ids = pruned.tokenizer(text)["input_ids"]
        assert [kept[index] for index in ids] == full.tokenizer(text)["input_ids"], text
    assert np.abs(full.encode(texts) - pruned.encode(texts)).max() <= 1e-6
    assert report.fidelity["ko"].identical_line_share >= 0.98
    assert report.fidelity["en"].identical_line_share >= 0.90
    assert report.fidelity["ru"].identical_line_share < 0.1, "Russian must be told to suffer"


def test_every_variant_is_built_and_above_its_floor(built: BuildReport) -> None:
    records = built.manifest.variants
    assert [record.name for record in records] == list(Variant)
    for record in records:
        assert record.vector_parity.min_cosine >= MIN_COSINE[record.name]
    int8 = built.manifest.variant(Variant.ONNX_INT8)
    assert int8.vector_parity.mean_cosine >= 0.9985
    assert int8.vector_parity.min_cosine >= 0.995
    products = int8.scheme["products"]
    assert {product["kept_as"] for product in products} == {"int8"}
    sizes = {record.name: record.bytes for record in records}
    for larger, smaller in (
        (Variant.ONNX_FP32, Variant.ONNX_INT8),
        (Variant.ONNX_INT8, Variant.ONNX_INT4),
        (Variant.GGUF_F32, Variant.GGUF_F16),
        (Variant.GGUF_F16, Variant.GGUF_Q8_0),
        (Variant.GGUF_Q8_0, Variant.GGUF_Q5_0),
        (Variant.GGUF_Q5_0, Variant.GGUF_Q4_0),
    ):
        assert sizes[larger] > 1.1 * sizes[smaller]


def test_the_default_bundle_is_what_its_command_builds(
    built: BuildReport, standin: Path, card_example: list[str]
) -> None:
    committed = Manifest.read(default_bundle())
    assert committed.tokenizer.sha256 == built.manifest.tokenizer.sha256
    assert committed.source.files == built.manifest.source.files
    name = Variant.GGUF_Q5_0
    assert committed.variant(name).sha256 == built.manifest.variant(name).sha256
    # The sums of calibration end in other last digits on another processor, and so may a few
    # weights; the vectors must not tell.
    vectors = []
    for bundle in (default_bundle(), standin.parent / "bundle"):
        with Embedder(bundle, variant="onnx-int8") as model:
            vectors.append(model.encode(card_example))
    assert rowwise_cosine(*vectors).min() >= 0.9995


@pytest.mark.parametrize(
    "variant", [record.name.value for record in Manifest.read(default_bundle()).variants]
)
def test_the_example_of_the_model_card(card_example: list[str], variant: str) -> None:
    with Embedder(variant=variant) as model:
        embeddings = model.encode(card_example)
        assert embeddings.shape == (3, 384)
        similarities = model.similarity(embeddings, embeddings)
    assert similarities.shape == (3, 3)
    np.testing.assert_allclose(np.diag(similarities), 1, atol=1e-5)
    # The question is about the first passage and not about the second.
    assert similarities[0, 1] > similarities[0, 2] + 0.1


THEIR_IMPORT = "from sentence_transformers import SentenceTransformer\n"
OUR_IMPORT = "from ondol import Embedder as SentenceTransformer\n"


def test_the_code_of_the_model_card_needs_one_other_line(
    standin: Path, shared_dir: Path, tmp_path: Path
) -> None:
    """The card's first example, run by sentence-transformers on the checkpoint as it was, and with
    only its import changed by ondol on a bundle of the usual size, whose vocabulary segments these
    texts as before. The model's name in it stands for either.
    """
    card = (shared_dir / "design" / "model_card.txt").read_text("utf-8")
    usage = card[card.index(THEIR_IMPORT) : card.index("\nDirect Usage (Transformers)")]
    theirs = _run_card(usage, standin, tmp_path / "theirs")
    bundle = tmp_path / "bundle"
    build(
        BuildOptions(
            source=str(standin),
            out=bundle,
            variants=(Variant.ONNX_FP32,),
            prompts={"query": "query: ", "passage": "passage: "},
        )
    )
    ours = _run_card(usage.replace(THEIR_IMPORT, OUR_IMPORT), bundle, tmp_path / "ours")
    with ours["model"] as model:
        assert isinstance(model, Embedder)
        assert ours["embeddings"].shape == theirs["embeddings"].shape == (3, 384)
        assert ours["embeddings"].dtype == theirs["embeddings"].dtype == np.float32
        similarities = model.similarity(ours["embeddings"], ours["embeddings"])
    # Float32 differs by the order of its sums alone.
    np.testing.assert_allclose(ours["embeddings"], theirs["embeddings"], atol=2e-6)
    np.testing.assert_allclose(similarities, theirs["similarities"].numpy(), atol=2e-6)


def _run_card(code: str, model: Path, folder: Path) -> dict[str, Any]:
    """The names that the card's code leaves, run where `model` has the name it has there."""
    (folder / "dragonkue").mkdir(parents=True)
    (folder / "dragonkue" / "multilingual-e5-small-ko").symlink_to(model)
    names: dict[str, Any] = {}
    with chdir(folder):
        exec(code, names)
    return names


def test_both_engines_give_the_same_vectors(
    built: BuildReport, standin: Path, card_example: list[str]
) -> None:
    bundle = standin.parent / "bundle"
    vectors = {}
    for variant in ("onnx-fp32", "gguf-f32"):
        with Embedder(bundle, variant=variant) as model:
            vectors[variant] = model.encode(card_example)
    assert rowwise_cosine(*vectors.values()).min() >= 0.99999


@pytest.mark.parametrize("variant", ["onnx-fp32", "onnx-int8", "onnx-int4", "gguf-q8_0"])
@pytest.mark.parametrize("threads", [1, 2])
def test_vectors_do_not_depend_on_the_batch(
    built: BuildReport, standin: Path, shared_dir: Path, variant: str, threads: int
) -> None:
    """Questions, many of which have the same number of tokens, alone and together."""
    path = shared_dir / "eval" / "korquad" / "queries.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()[:120]
    texts = [json.loads(line)["text"] for line in lines]
    with Embedder(standin.parent / "bundle", variant=variant, threads=threads) as model:
        result = model.embed(texts, prompt_name="query")
        assert len(set(result.token_counts.tolist())) < 40, "many share a length"
        for text, vector in zip(texts, result.vectors, strict=True):
            assert (model.encode_query(text) == vector).all()
