"""A reranker's checkpoint, pruned and built: what is written, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from sentence_transformers import CrossEncoder

from ondol.checkpoint import Activation, Checkpoint, Pooling
from ondol.convert.build import BuildOptions, build
from ondol.convert.floors import MAX_MEAN_SCORE_ERROR
from ondol.convert.reference import reference_pairs
from ondol.errors import CheckpointError, ConversionError, InputError, ManifestError, ParityError
from ondol.manifest import Manifest
from ondol.runtime.gguf_header import read_tensors
from ondol.runtime.parity import measure
from ondol.runtime.reranker import Reranker
from ondol.task import Task
from ondol.variants import Variant
from ondol.vocab_prune.rewrite import write_pruned_checkpoint


def edit(directory: Path, name: str, **changes: Any) -> None:
    path = directory / name
    content = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**content, **changes}))


def test_a_reranker_is_known_by_its_architecture(make_reranker: Any) -> None:
    checkpoint = Checkpoint(make_reranker())
    assert checkpoint.task is Task.RERANK
    assert (checkpoint.pooling, checkpoint.activation) == (Pooling.CLS, Activation.SIGMOID)
    assert checkpoint.architecture.max_tokens == 24
    assert checkpoint.architecture.first_position == 2
    assert not checkpoint.prompts.by_name


def test_what_a_cross_encoder_saves_is_read_the_same(make_reranker: Any, tmp_path: Path) -> None:
    CrossEncoder(str(make_reranker()), device="cpu").save_pretrained(str(tmp_path / "saved"))
    saved = Checkpoint(tmp_path / "saved")
    assert (saved.task, saved.activation) == (Task.RERANK, Activation.SIGMOID)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config_sentence_transformers.json", {"activation_fn": "torch.nn.modules.Identity"}),
        ("config.json", {"sentence_transformers": {"activation_fn": "torch.nn.Identity"}}),
        ("config.json", {"sbert_ce_default_activation_function": "torch.nn.Identity"}),
    ],
)
def test_the_activation_is_found_where_a_cross_encoder_finds_it(
    make_reranker: Any, file: str, change: dict[str, Any]
) -> None:
    directory = make_reranker()
    edit(directory, file, **change)
    assert Checkpoint(directory).activation is Activation.IDENTITY


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"id2label": {"0": "no", "1": "yes"}}, "has 2 labels"),
        ("config.json", {"id2label": None}, "has 2 labels"),
        (
            "config.json",
            {"architectures": ["BertForSequenceClassification"]},
            "supported rerankers are XLMRobertaForSequenceClassification",
        ),
        (
            "config.json",
            {"sentence_transformers": {"activation_fn": "torch.nn.Tanh"}},
            "activation is torch.nn.Tanh",
        ),
        (
            "config_sentence_transformers.json",
            {"prompts": {"query": "find: "}},
            "prompts, which are not supported",
        ),
    ],
)
def test_other_classifiers_are_refused(
    make_reranker: Any, file: str, change: dict[str, Any], message: str
) -> None:
    directory = make_reranker()
    edit(directory, file, **change)
    with pytest.raises(CheckpointError, match=message):
        Checkpoint(directory)


def test_a_pruned_reranker_scores_as_before(make_reranker: Any, tmp_path: Path) -> None:
    directory = make_reranker()
    out = tmp_path / "pruned"
    out.mkdir()
    without = [*range(14), 16]  # neither "ж" nor "▁жж"
    write_pruned_checkpoint(Checkpoint(directory), without, out)
    pairs = [("한국 a", "ab 한국"), ("b", "어")]
    before = CrossEncoder(str(directory), device="cpu").predict(pairs)
    after = CrossEncoder(str(out), device="cpu").predict(pairs)
    np.testing.assert_array_equal(before, after)


def test_the_manifest_says_what_was_measured(tiny_reranker: Path) -> None:
    manifest = Manifest.read(tiny_reranker / "bundle")
    assert (manifest.task, manifest.activation) == (Task.RERANK, Activation.SIGMOID)
    assert manifest.calibration is None
    assert not (tiny_reranker / "bundle/calibration.npy").exists()
    for record in manifest.variants:
        stored = record.score_parity
        assert stored.pairs == len(reference_pairs())
        assert stored.ceiling >= stored.mean_error > 0
        assert stored.max_error > stored.mean_error
        if record.name in (Variant.ONNX_FP32, Variant.GGUF_F32):
            assert stored.ceiling == MAX_MEAN_SCORE_ERROR[record.name]
        with Reranker(tiny_reranker / "bundle", variant=record.name.value) as reranker:
            found = measure(reranker).recorded(record)
        assert found == stored
        with pytest.raises(ManifestError, match="expected Parity"):
            _ = record.vector_parity


def test_the_onnx_file_is_a_whole_reranker(tiny_reranker: Path) -> None:
    session = onnxruntime.InferenceSession(tiny_reranker / "bundle/onnx/model-fp32.onnx")
    (output,) = session.get_outputs()
    assert (output.name, output.shape) == ("logits", ["batch", 1])
    ids = np.array([[0, 9, 2, 2, 7, 2]])
    together = session.run(None, {"input_ids": np.repeat(ids, 3, axis=0)})[0]
    assert together.shape == (3, 1)
    assert (together == session.run(None, {"input_ids": ids})[0]).all()


def test_the_gguf_file_carries_the_head_for_other_programs(tiny_reranker: Path) -> None:
    tensors = {t.name for t in read_tensors(tiny_reranker / "bundle/gguf/model-f32.gguf")}
    assert {"cls.weight", "cls.bias", "cls.output.weight", "cls.output.bias"} <= tensors
    content = (tiny_reranker / "bundle/gguf/model-f32.gguf").read_bytes()
    key = content.index(b"bert.pooling_type") + len(b"bert.pooling_type") + 4
    assert int.from_bytes(content[key : key + 4], "little") == 4  # LLAMA_POOLING_TYPE_RANK


def test_a_variant_beyond_its_ceiling_is_not_written(make_reranker: Any, tmp_path: Path) -> None:
    options = BuildOptions(
        str(make_reranker()), tmp_path / "out", prune=None, variants=(Variant.ONNX_INT4,)
    )
    with pytest.raises(ParityError, match=r"onnx-int4 has logits that are .* its ceiling is"):
        build(options)
    assert not (tmp_path / "out").exists()


def test_prompts_for_a_reranker_are_refused(make_reranker: Any, tmp_path: Path) -> None:
    options = BuildOptions(
        str(make_reranker()), tmp_path / "out", prune=None, prompts={"query": "q: "}
    )
    with pytest.raises(InputError, match="takes no prompts"):
        build(options)
    assert not (tmp_path / "out").exists()


def test_a_reranker_without_an_opinion_is_refused(make_reranker: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    directory = make_reranker()
    weights = load_file(directory / "model.safetensors")
    weights["classifier.out_proj.weight"] *= 0
    save_file(weights, directory / "model.safetensors")
    options = BuildOptions(
        str(directory), tmp_path / "out", prune=None, variants=(Variant.ONNX_FP32,)
    )
    with pytest.raises(ConversionError, match="gives every reference pair the logit"):
        build(options)


def test_a_manifest_that_mixes_the_kinds_is_refused(tiny_reranker: Path, tmp_path: Path) -> None:
    manifest = json.loads((tiny_reranker / "bundle/ondol.json").read_text())
    (tmp_path / "ondol.json").write_text(json.dumps({**manifest, "task": "embed"}))
    with pytest.raises(ManifestError, match="does not go with activation"):
        Manifest.read(tmp_path)
    (tmp_path / "ondol.json").write_text(
        json.dumps({**manifest, "task": "embed", "activation": None})
    )
    with pytest.raises(ManifestError, match="is ScoreParity, expected Parity"):
        Manifest.read(tmp_path)
