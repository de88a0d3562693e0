"""`python benchmarks/quality` from the command line to the results file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from quality.models import Bundle, CheckpointDirectory, NamedModel, parse_model
from quality.program import _chosen
from quality.tables import differences, interval, scores

from ondol.convert.build import BuildOptions, build
from ondol.engine import Engine
from ondol.errors import InputError, VariantError
from ondol.runtime.default import default_bundle
from ondol.variants import Variant

ROOT = Path(__file__).parents[2]

SENTENCES = (
    (5.0, "한 소녀가 머리를 빗는다.", "소녀가 머리를 빗고 있다.", "A girl combs her hair."),
    (3.0, "남자가 축구를 한다.", "소년들이 공을 찬다.", "Boys kick a ball."),
    (1.0, "한 여자가 양파를 자른다.", "여자가 피아노를 친다.", "A woman plays the piano."),
    (0.0, "비행기가 이륙한다.", "고양이가 잔다.", "A cat sleeps."),
)


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    """Four pairs and two documents, in the form of the real folder."""
    folder = tmp_path / "eval"

    def write(path: str, *lines: str) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("\n".join(lines) + "\n", encoding="utf-8")

    write("korsts/test.tsv", *(f"{s}\t{a}\t{b}" for s, a, b, _ in SENTENCES))
    write("stsb_en/test.tsv", *(f"{s}\t{e}\t{e} Now." for s, _, _, e in SENTENCES))
    for name in ("korquad", "cranfield"):
        documents = ("제주도는 섬이다.", "The stock market fell.")
        write(
            f"{name}/corpus.jsonl",
            *(json.dumps({"_id": f"d{i}", "text": text}) for i, text in enumerate(documents)),
        )
        queries = ("국내 여행지 섬", "stocks")
        write(
            f"{name}/queries.jsonl",
            *(json.dumps({"_id": f"q{i}", "text": text}) for i, text in enumerate(queries)),
        )
        write(f"{name}/qrels.tsv", "query-id\tcorpus-id\tscore", "q0\td0\t1", "q1\td1\t1")
    return folder


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "quality"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_from_the_command_line_to_the_results(evaluation: Path, tmp_path: Path) -> None:
    bundle, cache, out = default_bundle(), tmp_path / "cache", tmp_path / "q.json"
    common = ("--eval", evaluation, "--cache", cache, "--json", out)
    result = run(*common, f"ours={bundle}:onnx-int8", f"again={bundle}", f"no={bundle}:onnx-int4")
    assert result.returncode == 1, "one model is not in the bundle"
    assert "no did not run: the bundle has no variant onnx-int4" in result.stdout

    record: dict[str, Any] = json.loads(out.read_text("utf-8"))
    assert record["command"].startswith("python benchmarks/quality --eval eval --cache cache")
    results = record["results"]
    assert results["base"] == "ours"
    assert results["items"] == {
        "korsts": 4,
        "stsb": 4,
        "ko_en_sts": 4,
        "korquad": 2,
        "cranfield": 2,
    }
    assert list(results["failed"]) == ["no"]
    ours, again = results["models"]["ours"], results["models"]["again"]
    assert ours["korquad"]["ndcg_at_10"] == {"score": 1.0}, "two queries that anyone can answer"
    # `again` is the same variant: its vectors came from the cache, and nothing differs.
    assert len(list(cache.iterdir())) == 1
    assert again["ko_en_sts"]["spearman"] == {
        "score": ours["ko_en_sts"]["spearman"]["score"],
        "difference": 0,
        "low": 0,
        "high": 0,
    }
    assert scores(results) in result.stdout
    assert differences(results) in result.stdout


def test_without_its_base_nothing_is_compared(evaluation: Path, tmp_path: Path) -> None:
    result = run("--eval", evaluation, "--cache", tmp_path, tmp_path / "nothing")
    assert result.returncode == 1
    assert "with which the others are compared, does not run" in result.stderr
    assert "neither a bundle (no ondol.json) nor a checkpoint" in result.stderr
    assert "Traceback" not in result.stderr


def test_two_models_of_one_name_are_refused(evaluation: Path, tmp_path: Path) -> None:
    bundle = default_bundle()
    result = run("--eval", evaluation, "--cache", tmp_path, bundle, f"{bundle.name}={bundle}")
    assert result.returncode == 1
    assert "two models are called 'default_bundle'" in result.stderr


def test_models_are_parsed() -> None:
    bundle = default_bundle()
    named = parse_model(f"a=b={bundle}:gguf-q5_0")
    assert named.name == "a=b"
    assert named.model == Bundle(bundle, Variant.GGUF_Q5_0)
    assert parse_model(str(bundle)).model == Bundle(bundle)
    in_openvino = parse_model(f"{bundle}:onnx-int8:openvino").model
    assert in_openvino == Bundle(bundle, Variant.ONNX_INT8, Engine.OPENVINO)
    assert parse_model("some/checkpoint").model == CheckpointDirectory(Path("some/checkpoint"))
    assert parse_model("some/checkpoint").name == "checkpoint"
    with pytest.raises(VariantError, match="unknown variant 'int8'"):
        parse_model(f"{bundle}:int8")


def test_identity_follows_the_weights(make_checkpoint: Any) -> None:
    first, second = make_checkpoint(name="first"), make_checkpoint(name="second", hidden_size=16)
    assert CheckpointDirectory(first).identity() == CheckpointDirectory(first).identity()
    assert CheckpointDirectory(first).identity() != CheckpointDirectory(second).identity()
    bundle = default_bundle()
    variants = {Bundle(bundle, v).identity() for v in (Variant.ONNX_INT8, Variant.GGUF_Q5_0)}
    assert len(variants) == 2
    assert Bundle(bundle).identity() in variants


def test_a_bundle_with_other_prompts_is_not_measured(make_checkpoint: Any, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    build(BuildOptions(str(make_checkpoint()), out, prune=None, variants=(Variant.ONNX_FP32,)))
    with pytest.raises(InputError, match=r"asks for the prompts .*'query': 'a ', 'passage': 'b '"):
        Bundle(out).identity()


def test_intervals_are_written_with_signs() -> None:
    assert interval(0.00361, -0.001, 0.0081) == "+0.0036 [−0.0010, +0.0081]"
    assert interval(-0.000001, -0.1, 0) == "+0.0000 [−0.1000, +0.0000]"


def test_peers_are_chosen_by_name() -> None:
    models = [NamedModel(name, Bundle(default_bundle())) for name in ("a, int8", "b", "c")]
    assert _chosen(models, None) == models
    assert [named.name for named in _chosen(models, ["c", "a, int8"])] == ["a, int8", "c"]
    with pytest.raises(InputError, match="no peer is called 'd'; expected one of: a, int8; b; c"):
        _chosen(models, ["d"])
