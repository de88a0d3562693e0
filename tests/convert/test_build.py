"""A build as a whole: complete, repeatable, atomic, and refused where a variant is not exact."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

import ondol.convert.build as build_module
import ondol.convert.encoder_graph as encoder_graph
from ondol.convert.build import BuildOptions, build
from ondol.convert.floors import MIN_COSINE
from ondol.convert.output_calibration import calibration_texts
from ondol.convert.reference import reference_texts
from ondol.errors import CheckpointError, ConversionError, InputError, ParityError
from ondol.files import sha256_of
from ondol.manifest import Manifest
from ondol.runtime.embedder import Embedder
from ondol.runtime.parity import measure_parity
from ondol.runtime.similarity import rowwise_cosine
from ondol.variants import Variant
from ondol.vocab_prune.prune import PruneOptions
from ondol.vocab_prune.verify import verification_lines

FAST = (Variant.ONNX_FP32, Variant.GGUF_F32)


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
@pytest.mark.parametrize("normalize", [True, False])
def test_vectors_are_those_of_sentence_transformers(
    make_checkpoint: Any, tmp_path: Path, model_type: str, pooling: str, normalize: bool
) -> None:
    """Against another implementation of the whole path: tokenizing, encoder, pooling, norm."""
    from sentence_transformers import SentenceTransformer

    source = make_checkpoint(model_type=model_type, pooling=pooling, normalize=normalize)
    out = tmp_path / "bundle"
    build(BuildOptions(str(source), out, prune=None, variants=FAST))
    reference = SentenceTransformer(str(source), device="cpu")
    texts = ["한국 a", "", "ab ab 어", "a " * 60]
    expected = reference.encode(texts, convert_to_numpy=True)
    for variant, tolerance in ((Variant.ONNX_FP32, 1e-5), (Variant.GGUF_F32, 2e-3)):
        with Embedder(out, variant=variant.value) as embedder:
            vectors = embedder.embed(texts).vectors
            query = embedder.encode_query("한국")
            unit = embedder.encode(texts, normalize_embeddings=True, show_progress_bar=None)
        scale = np.linalg.norm(expected, axis=1).max()
        assert np.abs(vectors - expected).max() <= tolerance * scale
        assert rowwise_cosine(vectors, expected).min() >= MIN_COSINE[variant]
        expected_unit = reference.encode(texts, normalize_embeddings=True)
        assert np.abs(unit - expected_unit).max() <= tolerance
        wanted = reference.encode_query("한국", convert_to_numpy=True)
        assert np.abs(query - wanted).max() <= tolerance * scale


def test_what_a_bundle_holds(tiny_bundle: Path) -> None:
    manifest = Manifest.read(tiny_bundle)
    names = [record.name.value for record in manifest.variants]
    assert names == ["onnx-fp32", "onnx-int8", "onnx-int4", "gguf-f32", "gguf-f16"]
    held = {path.relative_to(tiny_bundle).as_posix() for path in tiny_bundle.rglob("*.*")}
    recorded = {record.path for record in manifest.variants}
    assert held == recorded | {
        "README.md",
        "calibration.npy",
        "ondol.json",
        "reference.json",
        "reference.npy",
        "tokenizer.json",
    }
    for record in manifest.variants:
        path = tiny_bundle / record.path
        assert (path.stat().st_size, sha256_of(path)) == (record.bytes, record.sha256)
        assert record.vector_parity.texts == len(reference_texts())
        assert (
            record.vector_parity.floor
            == MIN_COSINE[record.name]
            <= record.vector_parity.min_cosine
            <= 1
        )
        assert f"| `{record.name}` | {record.bytes:,} |" in (tiny_bundle / "README.md").read_text()
    assert manifest.vocabulary.rows == 17
    assert manifest.vocabulary.source_rows == 20
    agreement = manifest.variant(Variant.GGUF_F32).scheme["tokenizer_agreement"]
    assert agreement["lines"] > 300


@pytest.mark.filterwarnings("ignore::ondol.TruncationWarning")
def test_calibration_vectors_are_those_of_the_calibration_text(tiny_bundle: Path) -> None:
    vectors = np.load(tiny_bundle / "calibration.npy")
    texts = calibration_texts(["a ", "b "])
    assert vectors.shape == (len(texts), 32)
    with Embedder(tiny_bundle, variant="onnx-fp32") as embedder:
        assert rowwise_cosine(embedder.encode(texts), vectors).min() > 0.99999


def test_calibration_text_has_every_line_once_and_the_prompts_in_turn() -> None:
    lines = [*verification_lines()["ko"], *verification_lines()["en"]]
    assert len(lines) > 300
    assert calibration_texts([]) == lines
    texts = calibration_texts(["q: ", "p: "])
    assert [text[:3] for text in texts[:3]] == ["q: ", "p: ", "q: "]
    assert [text[3:] for text in texts] == lines


def test_the_recorded_parity_is_what_the_runtime_measures(tiny_bundle: Path) -> None:
    for record in Manifest.read(tiny_bundle).variants:
        with Embedder(tiny_bundle, variant=record.name.value) as embedder:
            measured = measure_parity(embedder)
        assert measured.min_cosine == pytest.approx(record.vector_parity.min_cosine, abs=1e-6)
        assert measured.mean_cosine == pytest.approx(record.vector_parity.mean_cosine, abs=1e-6)


def test_the_same_input_gives_the_same_bytes(make_checkpoint: Any, tmp_path: Path) -> None:
    source = str(make_checkpoint())
    onnx = (Variant.ONNX_FP32, Variant.ONNX_INT8, Variant.ONNX_INT4)
    variants = (*onnx, Variant.GGUF_F16, Variant.GGUF_Q8_0)
    program = (
        "import sys; from pathlib import Path; import ondol.convert.build as b;"
        "from ondol.variants import Variant;"
        "b.MIN_COSINE = dict.fromkeys(Variant, 0.0);"  # 32 columns are too few for q8_0's floor
        "b.build(b.BuildOptions(sys.argv[1], Path(sys.argv[2]), prune=None,"
        " variants=tuple(map(Variant.parse, sys.argv[3].split(',')))))"
    )
    digests = []
    for name in ("first", "second"):
        out = tmp_path / name
        command = [sys.executable, "-c", program, source, str(out), ",".join(map(str, variants))]
        subprocess.run(command, check=True, timeout=120, capture_output=True)
        files = sorted(path for path in out.rglob("*") if path.is_file())
        digests.append({f.relative_to(out): hashlib.sha256(f.read_bytes()).digest() for f in files})
    assert digests[0].keys() == digests[1].keys()
    different = [str(path) for path in digests[0] if digests[0][path] != digests[1][path]]
    assert not different


def test_a_variant_below_its_floor_fails_the_build_and_leaves_nothing(
    make_checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floors = {**MIN_COSINE, Variant.GGUF_F16: 0.9999999999}
    monkeypatch.setattr(build_module, "MIN_COSINE", floors)
    source = make_checkpoint()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(
        ParityError, match=r"gguf-f16 has cosine 0\.9999\d+ .* its floor is 0\.99999"
    ):
        build(
            BuildOptions(
                str(source), tmp_path / "bundle", prune=None, variants=(*FAST, Variant.GGUF_F16)
            )
        )
    assert sorted(tmp_path.iterdir()) == before


def test_nothing_is_overwritten(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint()
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "precious").write_text("x")
    with pytest.raises(InputError, match="already exists"):
        build(BuildOptions(str(source), tmp_path / "bundle", prune=None, variants=FAST))
    assert (tmp_path / "bundle" / "precious").read_text() == "x"


def test_a_killed_build_leaves_no_bundle(make_checkpoint: Any, tmp_path: Path) -> None:
    source, out = make_checkpoint(), tmp_path / "bundle"
    program = (
        "import sys; from pathlib import Path; from ondol.convert.build import *;"
        "build(BuildOptions(sys.argv[1], Path(sys.argv[2]), prune=None),"
        " lambda stage: print(stage, flush=True))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(source), str(out)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for stage in child.stdout:
        if stage.startswith("measuring"):
            os.kill(child.pid, signal.SIGKILL)
            break
    else:
        pytest.fail("the build never came to measuring")
    child.wait(timeout=60)
    assert not out.exists()
    assert not list(tmp_path.rglob("ondol.json")), "what was left behind must not load"


def test_options_and_sources_are_checked(make_checkpoint: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no variant to build"):
        BuildOptions("x", tmp_path / "out", variants=())
    with pytest.raises(InputError, match="languages"):
        PruneOptions(languages=("ko", "ja"))
    with pytest.raises(CheckpointError, match="neither a directory nor a hub id"):
        build(BuildOptions(str(tmp_path / "nowhere"), tmp_path / "out"))
    # The default counts are XLM-R's; the tiny vocabulary is another one.
    with pytest.raises(InputError, match="--corpus FILE"):
        build(BuildOptions(str(make_checkpoint()), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("prune", [None, PruneOptions()])
def test_another_kind_of_tokenizer_is_refused_before_the_weights_are_read(
    make_checkpoint: Any, tmp_path: Path, prune: PruneOptions | None
) -> None:
    source = make_checkpoint()
    word_piece = {"model": {"type": "WordPiece", "vocab": {"[UNK]": 0}}, "added_tokens": []}
    (source / "tokenizer.json").write_text(json.dumps(word_piece))
    (source / "model.safetensors").write_bytes(b"not read")
    with pytest.raises(CheckpointError, match=r"WordPiece.*supports SentencePiece-Unigram"):
        build(BuildOptions(str(source), tmp_path / "bundle", prune=prune, variants=FAST))
    assert not (tmp_path / "bundle").exists()


def test_a_float_file_beyond_onnx_is_refused(
    make_checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_graph, "MAX_FILE_BYTES", 50_000)
    source = str(make_checkpoint())
    options = BuildOptions(source, tmp_path / "bundle", prune=None, variants=FAST)
    with pytest.raises(ConversionError, match=r"onnx-fp32 .* holds at most 50,000.*--variants"):
        build(options)
    assert not (tmp_path / "bundle").exists()


def test_a_checkpoint_with_a_sentencepiece_model_alone(
    make_checkpoint: Any, tiny_tokenizer: dict[str, Any], tmp_path: Path
) -> None:
    """Its vectors are sentence-transformers', which converts the tokenizer itself."""
    from sentence_transformers import SentenceTransformer
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    kinds = sentencepiece_model_pb2.ModelProto.SentencePiece
    proto.trainer_spec.model_type = proto.trainer_spec.UNIGRAM
    controls = {"<unk>": kinds.UNKNOWN, "<s>": kinds.CONTROL, "</s>": kinds.CONTROL}
    ordinary = [entry for entry in tiny_tokenizer["model"]["vocab"] if entry[0][0] != "<"]
    for piece, score in [*((piece, 0.0) for piece in controls), *ordinary]:
        proto.pieces.add(piece=piece, score=score, type=controls.get(piece, kinds.NORMAL))
    source = make_checkpoint(model_type="xlm-roberta")
    (source / "tokenizer.json").unlink()
    (source / "sentencepiece.bpe.model").write_bytes(proto.SerializeToString())

    corpus = tmp_path / "corpus.txt"
    corpus.write_text("한국 a ab\n한국 한국어 b\n", encoding="utf-8")
    prune = PruneOptions(vocab_size=14, corpora=(corpus,), corpus_only=True)
    report = build(BuildOptions(str(source), tmp_path / "bundle", prune=prune, variants=FAST))
    recorded = {record.path for record in report.manifest.source.files}
    assert recorded == {"config.json", "model.safetensors", "sentencepiece.bpe.model"}
    assert report.manifest.vocabulary.rows < 17
    texts = ["한국 a", "", "ab b 한국어"]
    expected = SentenceTransformer(str(source), device="cpu").encode(texts)
    for variant in FAST:
        with Embedder(tmp_path / "bundle", variant=variant.value) as embedder:
            assert rowwise_cosine(embedder.encode(texts), expected).min() >= MIN_COSINE[variant]


def test_truncation_and_padding_of_the_tokenizer_file_do_not_matter(
    make_checkpoint: Any, tiny_tokenizer: dict[str, Any], tmp_path: Path
) -> None:
    loaded = Tokenizer.from_str(json.dumps(tiny_tokenizer))
    loaded.enable_truncation(4)
    loaded.enable_padding(length=9, pad_id=1, pad_token="<pad>")
    source = make_checkpoint(tokenizer=json.loads(loaded.to_str()))
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a b a 한국 한국\n", encoding="utf-8")
    options = BuildOptions(
        str(source),
        tmp_path / "bundle",
        prune=PruneOptions(vocab_size=17, corpora=(corpus,), corpus_only=True),
        variants=FAST,
    )
    report = build(options)
    assert report.prune is not None
    counted = [loaded.id_to_token(index) for index in report.prune.selection.kept]
    assert "▁한국" in counted, "the last word of a line that is longer than the truncation"
    agreement = report.manifest.variant(Variant.GGUF_F32).scheme["tokenizer_agreement"]
    assert agreement["identical"] >= 0.9 * agreement["lines"]
    with Embedder(tmp_path / "bundle") as embedder:
        assert embedder.embed(["a b a b a b a b"]).token_counts[0] > 9


def test_given_prompts_win(make_checkpoint: Any, tmp_path: Path) -> None:
    options = BuildOptions(
        str(make_checkpoint()),
        tmp_path / "bundle",
        prune=None,
        variants=(Variant.ONNX_FP32,),
        prompts={"task": "b "},
    )
    manifest = build(options).manifest
    assert (manifest.prompts, manifest.prompts_source) == ({"task": "b "}, "given")


def test_the_reference_set_begins_with_short_texts() -> None:
    texts = reference_texts()
    assert len(texts) >= 48
    assert all(len(text) < 80 for text in texts[:4])
    assert "" in texts


def test_a_prune_by_the_users_own_text(make_checkpoint: Any, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("한국 a\n한국 한국\n", encoding="utf-8")
    options = BuildOptions(
        str(make_checkpoint()),
        tmp_path / "bundle",
        prune=PruneOptions(languages=("ko",), vocab_size=16, corpora=(corpus,), corpus_only=True),
        variants=FAST,
    )
    report = build(options)
    assert report.prune is not None
    pieces = [
        entry[0]
        for entry in json.loads((tmp_path / "bundle/tokenizer.json").read_text())["model"]["vocab"]
    ]
    assert "▁한국" in pieces
    assert "ж" not in pieces
    assert len(pieces) == report.manifest.vocabulary.rows <= 16
    with Embedder(tmp_path / "bundle") as embedder:
        assert embedder.encode("한국").shape == (32,)
