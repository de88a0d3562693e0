"""Pulling bundles from a hub that does not always work, and embedding with them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ondol import Embedder
from ondol.manifest import Manifest
from ondol.variants import Variant

BASICS = ["calibration.npy", "ondol.json", "reference.json", "reference.npy", "tokenizer.json"]

EMBED = """
import sys
import numpy as np
from ondol import Embedder, OndolError
try:
    model = Embedder(sys.argv[1], variant=sys.argv[2] or None, threads=1)
except OndolError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(model.variant)
np.save(sys.argv[3], model.encode_query(["한국", "ab"]))
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_pulled_bundle_is_the_one_that_was_pushed(
    hub: Any, bundle_files: dict[str, bytes], out: Path
) -> None:
    commit = hub.hold("org/name", {**bundle_files, "extra/notes.bin": b"not the bundle's"})
    done = hub.ondol("pull", "org/name", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{out}: onnx-fp32, onnx-int8, onnx-int4, gguf-f32, gguf-f16, ")
    assert done.stdout.endswith(f" of org/name at {commit}\n")
    found = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == bundle_files
    assert not any(path.is_symlink() for path in found.values())


def test_variants_can_be_pulled_alone(
    hub: Any, bundle_files: dict[str, bytes], tiny_bundle: Path, out: Path
) -> None:
    hub.hold("org/name", bundle_files)
    options = ["--variant", "onnx-int8", "--variant", "gguf-f16"]
    done = hub.ondol("pull", "org/name", *options, "--out", str(out))
    assert done.returncode == 0, done.stderr
    files = {"README.md", "gguf/model-f16.gguf", "onnx/model-int8.onnx", *BASICS}
    assert hub.names_sent() == sorted(files)
    size = len(bundle_files["onnx/model-int8.onnx"])
    assert f"fetching onnx/model-int8.onnx, {size:,} bytes" in done.stderr
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == files
    pulled, whole = (json.loads((d / "ondol.json").read_text("utf-8")) for d in (out, tiny_bundle))
    assert [entry["name"] for entry in pulled["variants"]] == ["onnx-int8", "gguf-f16"]
    assert all(entry in whole["variants"] for entry in pulled.pop("variants"))
    whole.pop("variants")
    assert pulled == whole
    # It is a bundle as any other: it verifies and gives the vectors of the whole one.
    assert hub.ondol("verify", str(out), "--require-all").returncode == 0
    with Embedder(out) as part, Embedder(tiny_bundle, variant="onnx-int8") as model:
        assert np.array_equal(part.encode_query(["한국"]), model.encode_query(["한국"]))


def test_a_revision_is_a_branch_or_a_commit(
    hub: Any, bundle_files: dict[str, bytes], tmp_path: Path
) -> None:
    old = hub.hold("org/name", {**bundle_files, "README.md": b"old"})
    new = hub.hold("org/name", {**bundle_files, "README.md": b"new"})
    for revision, commit in ((old, old), ("main", new)):
        out = tmp_path / revision
        options = ["--variant", "onnx-int8", "--revision", revision, "--out", str(out)]
        assert hub.ondol("pull", "org/name", *options).stdout.endswith(f" at {commit}\n")
    assert (tmp_path / old / "README.md").read_bytes() == b"old"
    assert (tmp_path / "main" / "README.md").read_bytes() == b"new"
    failed = hub.ondol("pull", "org/name", "--revision", "v9", "--out", str(tmp_path / "v9"))
    assert "cannot get ondol.json of org/name at v9" in failed.stderr
    assert "the repository has no such revision" in failed.stderr
    assert not (tmp_path / "v9").exists()


def test_an_embedder_downloads_what_its_variant_needs(
    hub: Any, bundle_files: dict[str, bytes], tiny_bundle: Path, tmp_path: Path
) -> None:
    hub.hold("org/name", bundle_files)
    vectors = tmp_path / "vectors.npy"
    done = hub.python(EMBED, "org/name", "", str(vectors))
    assert done.stdout == "onnx-int8\n", done.stderr
    assert hub.names_sent() == sorted(["onnx/model-int8.onnx", *BASICS])
    with Embedder(tiny_bundle, variant="onnx-int8", threads=1) as model:
        assert np.array_equal(np.load(vectors), model.encode_query(["한국", "ab"]))

    # From now on the hub is not needed for this variant, and only for another one.
    hub.sent.clear()
    offline = {"HF_HUB_OFFLINE": "1"}
    assert hub.python(EMBED, "org/name", "onnx-int8", str(vectors), **offline).returncode == 0
    failed = hub.python(EMBED, "org/name", "gguf-f16", str(vectors), **offline)
    assert "DownloadError: cannot get gguf/model-f16.gguf of org/name" in failed.stderr
    assert "HF_HUB_OFFLINE is set" in failed.stderr
    assert hub.sent == []
    assert hub.python(EMBED, "org/name", "gguf-f16", str(vectors)).stdout == "gguf-f16\n"
    assert hub.names_sent() == ["gguf/model-f16.gguf"]


def test_the_command_line_takes_a_hub_id_as_a_model(
    hub: Any, bundle_files: dict[str, bytes]
) -> None:
    hub.hold("org/name", bundle_files)
    done = hub.ondol("embed", "한국", "--model", "org/name", "--variant", "onnx-fp32")
    assert done.stdout.startswith('{"text": "한국"'), done.stderr


def test_a_reranker_comes_from_the_hub_as_well(hub: Any, tiny_reranker: Path, out: Path) -> None:
    bundle = tiny_reranker / "bundle"
    files = {p.relative_to(bundle).as_posix(): p for p in bundle.rglob("*") if p.is_file()}
    hub.hold("org/reranker", {name: path.read_bytes() for name, path in files.items()})
    rank = ["rerank", "--model", "org/reranker", "--variant", "onnx-fp32", "한국", "ab", "한국"]
    done = hub.ondol(*rank)
    assert len(done.stdout.splitlines()) == 2, done.stderr
    assert hub.names_sent() == sorted(["onnx/model-fp32.onnx", *BASICS[1:]])
    refused = hub.ondol("embed", "한국", "--model", "org/reranker")
    assert "is a reranker bundle" in refused.stderr
    done = hub.ondol("pull", "org/reranker", "--variant", "onnx-fp32", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert hub.ondol(*rank).stdout == hub.ondol(*rank[:2], str(out), *rank[3:]).stdout


def test_a_directory_of_that_name_wins(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "name").symlink_to(tiny_bundle)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with Embedder("org/name", variant="onnx-fp32") as model:
        assert model.path == Path("org/name")


def test_a_pull_gets_over_a_connection_that_breaks_off(
    hub: Any, bundle_files: dict[str, bytes], out: Path
) -> None:
    hub.hold("org/name", bundle_files)
    hub.fail("onnx/model-int8.onnx", "break", times=2)
    done = hub.ondol("pull", "org/name", "--variant", "onnx-int8", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert Manifest.read(out).variants[0].name is Variant.ONNX_INT8


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("break", "failed, "),
        ("refuse", "the hub answered 503"),
        ("stall", "sent nothing for 1 seconds: try again, what has arrived is kept"),
    ],
)
def test_a_pull_that_cannot_go_on_leaves_nothing(
    hub: Any, bundle_files: dict[str, bytes], out: Path, fault: str, message: str
) -> None:
    hub.hold("org/name", bundle_files)
    hub.fail("onnx/model-int8.onnx", fault)
    arguments = ["pull", "org/name", "--variant", "onnx-int8", "--out", str(out)]
    failed = hub.ondol(*arguments, HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert "ondol: error: cannot get onnx/model-int8.onnx of org/name at " in last
    assert message in last
    assert "try again" in last
    assert [path.name for path in out.parent.iterdir()] == ["hub-home"]
    hub.sent.clear()
    hub.faults.clear()
    assert hub.ondol(*arguments).returncode == 0
    assert "tokenizer.json" not in hub.names_sent()  # it was in the cache


@pytest.mark.parametrize("name", ["ondol.json", "tokenizer.json", "onnx/model-int8.onnx"])
def test_a_damaged_file_is_noticed_and_forgotten(
    hub: Any, bundle_files: dict[str, bytes], out: Path, name: str
) -> None:
    hub.hold("org/name", bundle_files)
    hub.fail(name, "corrupt", times=1)
    arguments = ["pull", "org/name", "--variant", "onnx-int8", "--out", str(out)]
    failed = hub.ondol(*arguments)
    assert f"ondol: error: {name} of org/name arrived damaged" in failed.stderr
    assert "removed from the cache: run the command again" in failed.stderr
    assert not out.exists()
    assert hub.ondol(*arguments).returncode == 0
    assert (out / "onnx/model-int8.onnx").read_bytes() == bundle_files["onnx/model-int8.onnx"]


def test_a_file_that_is_damaged_in_the_cache_can_be_had_again(
    hub: Any, bundle_files: dict[str, bytes], out: Path
) -> None:
    hub.hold("org/name", bundle_files)
    embed = ["embed", "a", "--model", "org/name", "--variant", "onnx-int8"]
    assert hub.ondol(*embed).returncode == 0
    (path,) = hub.home.rglob("model-int8.onnx")
    content = path.resolve()
    content.write_bytes(content.read_bytes()[:-1] + b"!")
    assert "has another sha256 than its manifest says" in hub.ondol(*embed).stderr
    pull = ["pull", "org/name", "--variant", "onnx-int8", "--out", str(out)]
    assert "or was damaged in the cache" in hub.ondol(*pull).stderr
    assert hub.ondol(*pull).returncode == 0
    assert hub.ondol(*embed).returncode == 0


def test_a_repository_that_mixes_two_bundles_is_refused(
    hub: Any, bundle_files: dict[str, bytes], out: Path, tmp_path: Path
) -> None:
    model = bundle_files["onnx/model-int8.onnx"]
    for files, message in (
        ({"onnx/model-int8.onnx": model[:-1] + b"!"}, "has another sha256 than its manifest says"),
        ({"onnx/model-int8.onnx": model[:-1]}, "bytes, its manifest says"),
        ({"tokenizer.json": None}, "tokenizer.json of the hub repository org/name at"),
    ):
        held = {n: c for n, c in (bundle_files | files).items() if c is not None}
        hub.hold("org/name", held)
        for failed in (
            hub.ondol("pull", "org/name", "--variant", "onnx-int8", "--out", str(out)),
            hub.ondol("embed", "a", "--model", "org/name", HF_HOME=str(tmp_path / message)),
        ):
            assert message in failed.stderr
            assert "the repository mixes two bundles" in failed.stderr
        assert not out.exists()


def test_access_is_explained(hub: Any, bundle_files: dict[str, bytes], out: Path) -> None:
    hub.hold("org/gated", bundle_files, gated=True)
    hub.hold("org/private", bundle_files, private=True)
    arguments = ["--variant", "onnx-int8", "--out", str(out)]
    for name, message in (
        ("org/gated", f"the repository is gated: ask for access at {hub.url}/org/gated"),
        ("org/private", "there is no such repository"),
        ("org/missing", "there is no such repository"),
    ):
        failed = hub.ondol("pull", name, *arguments)
        assert failed.returncode == 1
        assert message in failed.stderr.splitlines()[-1]
        assert "HF_TOKEN" in failed.stderr.splitlines()[-1]
    for name in ("org/gated", "org/private"):
        options = ["--variant", "onnx-int8", "--out", str(out / name)]
        assert hub.ondol("pull", name, *options, HF_TOKEN="hf_reader").returncode == 0


def test_what_is_no_bundle_is_explained(hub: Any, out: Path) -> None:
    hub.hold("org/checkpoint", {"config.json": b"{}"})
    failed = hub.ondol("pull", "org/checkpoint", "--out", str(out))
    assert "the hub repository org/checkpoint holds no ondol.json" in failed.stderr
    assert "ondol build org/checkpoint --out DIR" in failed.stderr
    failed = hub.ondol("pull", "checkpoint", "--out", str(out))
    assert "'checkpoint' is not a hub id; expected ORGANISATION/NAME" in failed.stderr


def test_a_variant_that_is_not_there_and_a_directory_that_is(
    hub: Any, bundle_files: dict[str, bytes], out: Path
) -> None:
    hub.hold("org/name", bundle_files)
    failed = hub.ondol("pull", "org/name", "--variant", "gguf-q4_0", "--out", str(out))
    assert "the bundle has no variant gguf-q4_0; it holds onnx-fp32" in failed.stderr
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    hub.sent.clear()
    failed = hub.ondol("pull", "org/name", "--out", str(out))
    assert "already exists" in failed.stderr
    assert hub.sent == []


def test_a_hub_that_cannot_be_reached(hub: Any, out: Path) -> None:
    for environment, message in (
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "the connection to http://127.0.0.1:9 failed"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
    ):
        failed = hub.ondol("pull", "org/name", "--out", str(out), **environment)
        assert message in failed.stderr.splitlines()[-1]
    assert hub.sent == []


def test_without_huggingface_hub_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ondol import MissingDependencyError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match=r"org/name.*pip install 'ondol\[hub\]'"):
        Embedder("org/name")
