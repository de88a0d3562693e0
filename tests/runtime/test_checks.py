"""A damaged, mixed or wrong bundle does not load, and the error says which it is."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ondol.errors import (
    AgreementError,
    BundleError,
    ChecksumError,
    InputError,
    ManifestError,
    SelfTestError,
)
from ondol.files import sha256_of
from ondol.runtime.embedder import Embedder


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def edit(bundle: Path, change: Any) -> None:
    path = bundle / "ondol.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def record_again(bundle: Path, name: str) -> None:
    """Make the manifest agree with a changed file, as a careless hand would."""

    def change(manifest: Any) -> None:
        records = [manifest["tokenizer"], *manifest["reference"].values(), *manifest["variants"]]
        records.append(manifest["calibration"])
        for record in records:
            if isinstance(record, dict) and record["path"] == name:
                record["bytes"] = (bundle / name).stat().st_size
                record["sha256"] = sha256_of(bundle / name)

    edit(bundle, change)


FILES = [
    "tokenizer.json",
    "reference.json",
    "reference.npy",
    "calibration.npy",
    "onnx/model-fp32.onnx",
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("check", ["full", "quick"])
def test_a_missing_or_short_file(bundle: Path, name: str, check: str) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[:-1])
    with pytest.raises(ChecksumError, match=rf"{name} has [\d,]+ bytes, its manifest says"):
        Embedder(bundle, variant="onnx-fp32", check=check)
    (bundle / name).unlink()
    with pytest.raises(ChecksumError, match=f"{name} is missing"):
        Embedder(bundle, variant="onnx-fp32", check=check)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(ChecksumError, match="another sha256"):
        Embedder(bundle, variant="onnx-fp32", check="full")


def test_a_bundle_of_before_there_were_ranges(bundle: Path) -> None:
    edit(bundle, lambda manifest: manifest.pop("calibration"))
    (bundle / "calibration.npy").unlink()
    with Embedder(bundle, variant="onnx-fp32") as embedder:
        assert embedder.encode("a", precision="ubinary").shape == (4,)
        for precision in ("int8", "uint8"):
            with pytest.raises(InputError, match="run `ondol build` again"):
                embedder.encode("a", precision=precision)


def test_calibration_vectors_of_another_width(bundle: Path) -> None:
    np.save(bundle / "calibration.npy", np.zeros((9, 31), dtype=np.float32))
    record_again(bundle, "calibration.npy")
    with (
        Embedder(bundle, variant="onnx-fp32") as embedder,
        pytest.raises(ManifestError, match=r"shape \(9, 31\); expected float32 of shape .*, 32"),
    ):
        embedder.encode("a", precision="int8")


def test_files_of_other_variants_are_not_needed(bundle: Path) -> None:
    (bundle / "gguf/model-f16.gguf").unlink()
    Embedder(bundle, variant="onnx-fp32").close()


@pytest.mark.parametrize("variant", ["onnx-fp32", "gguf-f32"])
def test_a_tokenizer_of_another_build(bundle: Path, variant: str) -> None:
    tokenizer = json.loads((bundle / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"].insert(4, ["new", -1.0])
    tokenizer["added_tokens"][4]["id"] += 1
    (bundle / "tokenizer.json").write_text(json.dumps(tokenizer))
    record_again(bundle, "tokenizer.json")
    with pytest.raises(
        AgreementError, match=r"tokenizer.json has 18 entries but ondol.json says 17"
    ):
        Embedder(bundle, variant=variant, check="quick")


@pytest.mark.parametrize("variant", ["onnx-fp32", "gguf-f32"])
def test_a_model_of_another_build(bundle: Path, variant: str) -> None:
    edit(bundle, lambda manifest: manifest["vocabulary"].update(rows=18))
    with pytest.raises(AgreementError, match=r"but ondol.json says 18"):
        Embedder(bundle, variant=variant, check="quick")


@pytest.mark.parametrize("variant", ["onnx-fp32", "gguf-f32"])
def test_a_model_of_another_width(bundle: Path, variant: str) -> None:
    edit(bundle, lambda manifest: manifest["architecture"].update(hidden_size=48))
    with pytest.raises(AgreementError, match=r"32 columns but those of ondol.json have 48"):
        Embedder(bundle, variant=variant, check="quick")


@pytest.mark.parametrize("check", ["full", "quick"])
def test_an_engine_that_computes_something_else(bundle: Path, check: str) -> None:
    vectors = np.load(bundle / "reference.npy")
    np.save(bundle / "reference.npy", vectors[::-1])
    record_again(bundle, "reference.npy")
    message = r"onnx-fp32 in onnxruntime gives cosine .* expected at least 0.99999"
    with pytest.raises(SelfTestError, match=message):
        Embedder(bundle, variant="onnx-fp32", check=check)
    Embedder(bundle, variant="onnx-fp32", check="off").close()


def test_the_full_self_test_reaches_further_than_the_quick_one(bundle: Path) -> None:
    vectors = np.load(bundle / "reference.npy")
    vectors[3] *= -1
    np.save(bundle / "reference.npy", vectors)
    record_again(bundle, "reference.npy")
    Embedder(bundle, variant="onnx-fp32", check="quick").close()
    with pytest.raises(SelfTestError, match="reference text 3"):
        Embedder(bundle, variant="onnx-fp32", check="full")


def test_a_normal_form_does_not_disturb_the_self_test(bundle: Path) -> None:
    texts = json.loads((bundle / "reference.json").read_text())
    assert any(not text.isascii() for text in texts[:4])
    Embedder(bundle, variant="onnx-fp32", check="full", normalize="NFKC").close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(schema_version=99), "schema_version 99"),
        (lambda m: m.pop("pooling"), "lacks 'pooling'"),
        (lambda m: m.update(pooling="max"), "pooling: expected one of mean, cls, lasttoken"),
        (lambda m: m.update(variants=[]), "variants is empty"),
        (lambda m: m["variants"].append(m["variants"][0]), "two variants have the name"),
        (lambda m: m["variants"][0]["parity"].update(floor=float("nan")), "NaN is no JSON number"),
        (lambda m: m["architecture"].update(hidden_size=10**12), "expected a size"),
        (lambda m: m["architecture"].update(max_tokens=513), "do not fit"),
        (lambda m: m["variants"][0].pop("sha256"), r"variants\[0\] lacks 'sha256'"),
        (lambda m: m["architecture"].update(layers="2"), "layers: expected int, found '2'"),
        (lambda m: m["tokenizer"].update(path="../x.json"), "lie inside its directory"),
        (lambda m: m["tokenizer"].update(path="/etc/passwd"), "lie inside its directory"),
        (lambda m: m["variants"][0]["scheme"].clear(), "max_batch_tokens"),
        (lambda m: m["variants"][0]["scheme"].update(max_batch_tokens=2**40), "from 0 to 65,536"),
        (lambda m: m["variants"][0]["scheme"].update(max_batch_tokens=-1), "from 0 to 65,536"),
    ],
)
def test_a_damaged_manifest(bundle: Path, change: Any, message: str) -> None:
    edit(bundle, change)
    with pytest.raises(ManifestError, match=message):
        Embedder(bundle, variant="onnx-fp32")


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00"])
def test_a_manifest_that_is_no_json_object(bundle: Path, content: str) -> None:
    (bundle / "ondol.json").write_text(content)
    with pytest.raises(ManifestError):
        Embedder(bundle)


def test_a_file_that_the_engine_refuses(bundle: Path) -> None:
    for name, variant in (
        ("onnx/model-fp32.onnx", "onnx-fp32"),
        ("gguf/model-f32.gguf", "gguf-f32"),
    ):
        (bundle / name).write_bytes(b"not a model")
        record_again(bundle, name)
        with pytest.raises(BundleError, match=r"cannot (load|read) .*model-"):
            Embedder(bundle, variant=variant)
