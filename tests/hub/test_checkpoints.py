"""Resolving a source: directories, and checkpoints on the hub."""

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from ondol.errors import CheckpointError
from ondol.files import sha256_of
from ondol.hub.checkpoints import resolve
from ondol.manifest import Manifest

PROGRAM = """
import sys
from ondol.errors import OndolError
from ondol.hub.checkpoints import resolve
try:
    resolved = resolve(*sys.argv[1:])
except OndolError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(resolved.directory, resolved.id, resolved.revision, sep="\\n")
"""

CHECKPOINT = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "1_Pooling/config.json": b"{ }",
    "onnx/model.onnx": b"huge",
    "onnx/config.json": b"{ } ",
    "pytorch_model.bin": b"the same weights again",
}


def test_a_directory_is_taken_as_it_is(tmp_path: Path) -> None:
    resolved = resolve(str(tmp_path))
    assert (resolved.directory, resolved.id, resolved.revision) == (tmp_path, tmp_path.name, None)
    with pytest.raises(CheckpointError, match="has no revision 'main'"):
        resolve(str(tmp_path), "main")


def test_a_directory_of_that_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert resolve("org/name").revision is None


@pytest.mark.parametrize("source", ["nowhere", "./org/name", "/org/name", "a/b/c", "org/na me"])
def test_neither_directory_nor_id(source: str) -> None:
    with pytest.raises(CheckpointError, match="neither a directory nor a hub id"):
        resolve(source)


def test_only_needed_files_are_downloaded_and_the_commit_is_known(hub: Any) -> None:
    commit = hub.hold("org/name", CHECKPOINT)
    directory, name, revision = hub.python(PROGRAM, "org/name", "main").stdout.splitlines()
    assert (name, revision) == ("org/name", commit)
    assert (Path(directory) / "model.safetensors").read_bytes() == b"weights"
    assert hub.names_sent() == ["1_Pooling/config.json", "config.json", "model.safetensors"]

    # What was downloaded once is used again without the hub: told so, or because it is away.
    away = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    for environment in ({"HF_HUB_OFFLINE": "1", **away}, away):
        again = hub.python(PROGRAM, "org/name", "main", **environment)
        assert again.stdout.splitlines() == [directory, name, revision], again.stderr


def test_a_build_records_the_repository_and_the_commit(
    hub: Any, make_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    checkpoint = make_checkpoint()
    files = {p.relative_to(checkpoint).as_posix(): p for p in checkpoint.rglob("*") if p.is_file()}
    commit = hub.hold("org/name", {name: path.read_bytes() for name, path in files.items()})
    options = ["--keep-vocab", "--variants", "onnx-fp32", "--out", str(tmp_path / "bundle")]
    done = hub.ondol("build", "org/name", "--revision", "main", *options)
    assert done.returncode == 0, done.stderr
    source = Manifest.read(tmp_path / "bundle").source
    assert (source.id, source.revision) == ("org/name", commit)
    assert {f.path: f.sha256 for f in source.files} == {
        f.path: sha256_of(checkpoint / f.path) for f in source.files
    }


def test_a_commit_stays_what_it_was(hub: Any) -> None:
    old = hub.hold("org/name", CHECKPOINT)
    hub.hold("org/name", {**CHECKPOINT, "model.safetensors": b"better weights"})
    directory, _, revision = hub.python(PROGRAM, "org/name", old).stdout.splitlines()
    assert revision == old
    assert (Path(directory) / "model.safetensors").read_bytes() == b"weights"


def test_pickled_weights_only_where_there_are_no_others(hub: Any) -> None:
    hub.hold("org/name", {"config.json": b"{}", "pytorch_model.bin": b"weights"})
    directory = hub.python(PROGRAM, "org/name").stdout.splitlines()[0]
    assert (Path(directory) / "pytorch_model.bin").read_bytes() == b"weights"
    assert hub.names_sent() == ["config.json", "pytorch_model.bin"]


def test_weights_that_break_off_are_taken_up_where_they_broke(hub: Any) -> None:
    weights = bytes(range(256)) * (24 * 2**12)  # the client writes pieces of 10 MiB
    hub.hold("org/name", {**CHECKPOINT, "model.safetensors": weights})
    hub.fail("model.safetensors", "break", times=1)
    directory = hub.python(PROGRAM, "org/name").stdout.splitlines()[0]
    assert (Path(directory) / "model.safetensors").read_bytes() == weights
    starts = [start for name, start in hub.sent if name == "model.safetensors"]
    assert starts[0] == 0
    assert [start > 0 for start in starts[1:]] == [True]


@pytest.mark.skipif(
    not version("huggingface_hub").startswith("0."), reason="later clients begin the file again"
)
def test_so_are_weights_that_broke_off_in_an_earlier_process(hub: Any) -> None:
    weights = bytes(range(256)) * (24 * 2**12)
    hub.hold("org/name", {**CHECKPOINT, "model.safetensors": weights})
    hub.fail("model.safetensors", "break")
    failed = hub.python(PROGRAM, "org/name")
    assert "DownloadError: cannot get model.safetensors of org/name" in failed.stderr
    assert "failed, " in failed.stderr
    assert "try again, what has arrived is kept" in failed.stderr
    hub.sent.clear()
    hub.faults.clear()
    directory = hub.python(PROGRAM, "org/name").stdout.splitlines()[0]
    assert (Path(directory) / "model.safetensors").read_bytes() == weights
    (start,) = (start for name, start in hub.sent if name == "model.safetensors")
    assert start > 0


def test_damaged_weights_are_no_checkpoint(hub: Any) -> None:
    hub.hold("org/name", CHECKPOINT)
    hub.fail("model.safetensors", "corrupt", times=1)
    failed = hub.python(PROGRAM, "org/name")
    assert "DownloadError: model.safetensors of org/name arrived damaged" in failed.stderr
    assert hub.python(PROGRAM, "org/name").returncode == 0


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_a_mirror_may_have_other_entity_tags(hub: Any, digest: str) -> None:
    hub.hold("org/name", CHECKPOINT)
    hub.entity_tag = lambda content: hashlib.new(digest, content).hexdigest()
    done = hub.python(PROGRAM, "org/name")
    assert done.returncode == 0, done.stderr


def test_what_is_no_checkpoint_is_explained(hub: Any) -> None:
    failed = hub.python(PROGRAM, "org/other")
    assert "DownloadError: cannot get config.json of org/other from the hub: " in failed.stderr
    assert "there is no such repository" in failed.stderr
    hub.hold("org/empty", {"README.md": b"soon"})
    failed = hub.python(PROGRAM, "org/empty")
    assert "CheckpointError: the hub repository org/empty holds no config.json" in failed.stderr
    hub.hold("org/flax", {"config.json": b"{}", "flax_model.msgpack": b""})
    failed = hub.python(PROGRAM, "org/flax")
    assert "holds neither model*.safetensors nor pytorch_model*.bin" in failed.stderr
