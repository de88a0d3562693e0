"""build, info, verify and embed on a real bundle of a random two-layer model."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ondol import Embedder
from ondol.cli import main
from ondol.cli.options import FAILED
from ondol.cli.verify import Outcome, exit_code
from ondol.manifest import Manifest
from ondol.variants import Variant


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle to damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def test_embed_gives_what_the_embedder_gives(tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.npy"
    command = ["embed", "한국", "", "ab", "--prompt", "passage", "--model", str(tiny_bundle)]
    assert main([*command, "--variant", "onnx-fp32", "--threads", "1", "--out", str(out)]) == 0
    with Embedder(tiny_bundle) as model:
        expected = model.encode_document(["한국", "", "ab"])
    assert np.array_equal(np.load(out), expected)


@pytest.mark.parametrize("precision", ["int8", "binary"])
def test_embed_shortens_and_quantizes_as_the_embedder(
    tiny_bundle: Path, tmp_path: Path, precision: str
) -> None:
    out = tmp_path / "v.npy"
    options = ["--truncate-dim", "9", "--precision", precision, "--model", str(tiny_bundle)]
    assert main(["embed", "한국", "", "ab", *options, "--out", str(out)]) == 0
    with Embedder(tiny_bundle, truncate_dim=9) as model:
        expected = model.encode_query(["한국", "", "ab"], precision=precision)
    found = np.load(out)
    assert found.dtype == np.int8
    assert np.array_equal(found, expected)


def test_embed_reports_what_the_real_model_cuts(tiny_bundle: Path, capsys: Any) -> None:
    assert main(["embed", "a " * 100, "a", "--model", str(tiny_bundle)]) == 0
    err = capsys.readouterr().err
    assert "1 text of 2 longer than 24 tokens, cut there: the command line, argument 1\n" in err
    assert "TruncationWarning" not in err


def test_a_variant_that_the_bundle_lacks_is_an_error(tiny_bundle: Path, capsys: Any) -> None:
    assert main(["embed", "a", "--model", str(tiny_bundle), "--variant", "gguf-f16"]) == 1
    assert "the bundle has no variant gguf-f16; it holds onnx-fp32" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["info", "verify"])
def test_a_directory_without_a_manifest_is_an_error(
    command: str, tmp_path: Path, capsys: Any
) -> None:
    assert main([command, str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "has no ondol.json" in captured.err


def test_info_for_people(tiny_bundle: Path, capsys: Any) -> None:
    assert main(["info", str(tiny_bundle)]) == 0
    lines = capsys.readouterr().out.splitlines()
    record = Manifest.read(tiny_bundle).variant(Variant.ONNX_FP32)
    assert "max tokens     24" in lines
    assert "prompts        query 'a ', passage 'b '" in lines
    (engines,) = (line for line in lines if line.startswith("engines "))
    assert f"onnxruntime {version('onnxruntime')}, openvino {version('openvino')}" in engines
    (row,) = (line.split() for line in lines if line.startswith("onnx-fp32 "))
    assert row[1] == f"{record.bytes:,}"
    assert row[-1] == "installed"
    assert "  weights: float32" in lines


def test_info_as_json(tiny_bundle: Path, capsys: Any) -> None:
    assert main(["info", str(tiny_bundle), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["manifest"] == json.loads((tiny_bundle / "ondol.json").read_text("utf-8"))
    assert found["installed"] == {"onnx-fp32": True}
    assert found["machine"]["physical_cores"] >= 1
    assert found["machine"]["packages"]["numpy"] == np.__version__


def test_info_lists_what_each_tensor_became() -> None:
    from ondol.cli.info import _scheme

    scheme = {"tensors": {"Q4_0": {"tensors": 12, "bytes": 34567}}, "flash_attention": True}
    assert _scheme(scheme) == (
        "  tensors\n    Q4_0: tensors 12, bytes 34,567\n  flash attention: yes\n"
    )


def test_verify_passes_on_a_fresh_bundle(tiny_bundle: Path, capsys: Any) -> None:
    assert main(["verify", str(tiny_bundle)]) == 0
    captured = capsys.readouterr()
    (row,) = (line.split() for line in captured.out.splitlines() if line.startswith("onnx-fp32"))
    assert row[1:4] == [
        "ok",
        str(Manifest.read(tiny_bundle).variants[0].vector_parity.texts),
        "1.000000",
    ]
    assert captured.err == "verifying onnx-fp32 in onnxruntime …\n"


def test_the_engine_can_be_named(tiny_bundle: Path, tmp_path: Path, capsys: Any) -> None:
    model = ["--model", str(tiny_bundle), "--engine", "openvino"]
    out = tmp_path / "v.npy"
    assert main(["embed", "한국", *model, "--out", str(out)]) == 0
    with Embedder(tiny_bundle, engine="openvino") as embedder:
        assert np.array_equal(np.load(out), embedder.encode_query(["한국"]))
    assert main(["verify", str(tiny_bundle), "--engine", "openvino"]) == 0
    assert "verifying onnx-fp32 in openvino …" in capsys.readouterr().err
    assert main(["verify", str(tiny_bundle), "--engine", "llama.cpp"]) == 1
    assert "no variant that llama.cpp runs; it has onnx-fp32" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["embed", "a", "--engine", "torch"])
    assert stopped.value.code == 2
    assert "unknown engine 'torch'; expected one of: onnxruntime" in capsys.readouterr().err


def test_verify_fails_on_another_vector_past_the_self_test(copy: Path, capsys: Any) -> None:
    # Only the last reference vector is wrong: a load, which looks at the first ones, still works.
    manifest = json.loads((copy / "ondol.json").read_text("utf-8"))
    vectors = np.load(copy / "reference.npy")
    vectors[-1] = -vectors[-1]
    np.save(copy / "reference.npy", vectors)
    manifest["reference"]["vectors"] |= _record(copy / "reference.npy")
    (copy / "ondol.json").write_text(json.dumps(manifest), "utf-8")
    Embedder(copy).close()
    assert main(["verify", str(copy)]) == FAILED
    out = capsys.readouterr().out
    assert "onnx-fp32  FAILED" in out
    assert f"reference text {len(vectors) - 1} (" in out
    assert "its floor is 0.99999" in out


def test_verify_fails_on_a_damaged_file_and_goes_on(copy: Path, capsys: Any) -> None:
    path = copy / Variant.ONNX_FP32.path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert main(["verify", str(copy)]) == FAILED
    assert "another sha256" in capsys.readouterr().out


def test_verify_skips_a_variant_without_its_engine(
    copy: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ondol.errors import MissingDependencyError
    from ondol.runtime import opened

    def open_backend(*arguments: Any, threads: int) -> None:
        raise MissingDependencyError("running GGUF variants", "llama-cpp-python", "gguf")

    monkeypatch.setattr(opened, "open_backend", open_backend)
    assert main(["verify", str(copy)]) == FAILED  # nothing at all was verified
    out = capsys.readouterr().out
    assert "onnx-fp32  skipped" in out
    assert "pip install 'ondol[gguf]'" in out


@pytest.mark.parametrize(
    ("words", "require_all", "code"),
    [
        (["ok"], True, 0),
        (["ok", "skipped"], False, 0),
        (["ok", "skipped"], True, FAILED),
        (["skipped"], False, FAILED),
        (["ok", "FAILED"], False, FAILED),
    ],
)
def test_exit_codes_of_verify(
    tiny_bundle: Path, words: list[str], require_all: bool, code: int
) -> None:
    record = Manifest.read(tiny_bundle).variants[0]
    outcomes = [
        Outcome(record, None, None if word == "ok" else "why", skipped=word == "skipped")
        for word in words
    ]
    assert [outcome.word for outcome in outcomes] == words
    assert exit_code(outcomes, require_all=require_all) == code


def _record(path: Path) -> dict[str, Any]:
    from ondol.files import sha256_of

    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


@pytest.mark.parametrize(
    ("exact", "instructions", "expected"),
    [
        (True, "AVX512-VNNI", "exact (AVX512-VNNI)"),
        (True, None, "exact"),
        (False, None, "exact, unsigned weights (no VNNI; slower)"),
    ],
)
def test_info_says_how_int8_is_multiplied(
    tiny_bundle: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
    exact: bool,
    instructions: str | None,
    expected: str,
) -> None:
    monkeypatch.setattr("ondol.machine.byte_product_instructions", lambda: instructions)
    monkeypatch.setattr("ondol.runtime.int8_products.products_are_exact", lambda: exact)
    assert main(["info", str(tiny_bundle)]) == 0
    assert f"int8 products  {expected}\n" in capsys.readouterr().out
    assert main(["info", str(tiny_bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["machine"]["int8_products"] == expected


def test_info_of_gguf_alone_needs_no_onnxruntime(copy: Path, capsys: Any) -> None:
    manifest = json.loads((copy / "ondol.json").read_text("utf-8"))
    manifest["variants"][0]["name"] = "gguf-f32"
    (copy / "ondol.json").write_text(json.dumps(manifest), "utf-8")
    program = (
        "import sys; from ondol.cli import main; main(['info', sys.argv[1]]); "
        "sys.exit('onnxruntime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(copy)], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"int8 products" not in done.stdout


def test_info_and_verify_tell_a_reranker_apart(
    tiny_reranker: Path, tiny_bundle: Path, capsys: Any
) -> None:
    bundle = str(tiny_reranker / "bundle")
    assert main(["info", bundle]) == 0
    text = capsys.readouterr().out
    assert "reranker, for ondol.Reranker and `ondol rerank`; a score is the logit's sigmoid" in text
    assert "correlation" in text
    assert main(["info", str(tiny_bundle)]) == 0
    assert "encoder, for ondol.Embedder" in capsys.readouterr().out
    assert main(["verify", bundle, "--variant", "onnx-fp32"]) == 0
    header, row = capsys.readouterr().out.splitlines()[:2]
    assert header.split()[:3] == ["variant", "result", "pairs"]
    assert row.split()[:2] == ["onnx-fp32", "ok"]
