"""Pushing bundles to a hub that does not always work."""

import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def push(hub: Any, bundle: Path, *options: str, token: str = "hf_writer") -> Any:
    environment = {"HF_TOKEN": token} if token else {}
    return hub.ondol("push", str(bundle), "org/name", *options, **environment)


def test_a_push_makes_the_repository_and_can_be_pulled(
    hub: Any, bundle: Path, bundle_files: dict[str, bytes], tmp_path: Path
) -> None:
    (bundle / "notes.txt").write_text("not the bundle's")
    done = push(hub, bundle)
    assert done.returncode == 0, done.stderr
    repository = hub.repositories["org/name"]
    assert not repository.private
    commit = repository.branches["main"]
    assert done.stdout == f"org/name at {commit}: {hub.url}/org/name/commit/{commit}\n"
    assert repository.main == {".gitattributes": b"lfs", **bundle_files}
    # One commit on top of the one that made the repository.
    assert len(repository.commits) == 2
    assert hub.ondol("pull", "org/name", "--out", str(tmp_path / "pulled")).returncode == 0
    pulled = tmp_path / "pulled"
    assert all((pulled / name).read_bytes() == data for name, data in bundle_files.items())


def test_variants_that_are_gone_go_there_too(
    hub: Any, bundle: Path, bundle_files: dict[str, bytes]
) -> None:
    hub.hold("org/name", {**bundle_files, "onnx/model-old.onnx": b"old", "notes.txt": b"mine"})
    assert push(hub, bundle).returncode == 0
    assert hub.repositories["org/name"].main == {**bundle_files, "notes.txt": b"mine"}


def test_private_and_a_branch(hub: Any, bundle: Path, bundle_files: dict[str, bytes]) -> None:
    assert push(hub, bundle, "--private", "--revision", "next").returncode == 0
    repository = hub.repositories["org/name"]
    assert repository.private
    assert repository.main == {".gitattributes": b"lfs"}
    assert repository.commits[repository.branches["next"]].items() >= bundle_files.items()
    # A second push to both, which now exist.
    assert push(hub, bundle, "--private", "--revision", "next").returncode == 0


def test_a_public_repository_does_not_become_private(hub: Any, bundle: Path) -> None:
    hub.hold("org/name", {})
    failed = push(hub, bundle, "--private")
    assert failed.returncode == 1
    assert "org/name exists and is public" in failed.stderr
    assert hub.received == []


@pytest.mark.parametrize(
    ("token", "status"), [("", "the hub answered 401"), ("hf_reader", "the hub answered 403")]
)
def test_a_token_that_may_not_write(hub: Any, bundle: Path, token: str, status: str) -> None:
    failed = push(hub, bundle, token=token)
    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert "ondol: error: cannot push " in last
    assert status in last
    assert "with HF_TOKEN or `hf auth login`" in last
    assert hub.repositories == {}


def test_a_bundle_that_does_not_verify_is_refused(hub: Any, bundle: Path) -> None:
    path = bundle / "gguf/model-f16.gguf"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    failed = push(hub, bundle)
    assert failed.returncode == 1
    assert "gguf/model-f16.gguf has another sha256 than its manifest says" in failed.stderr
    (bundle / "ondol.json").unlink()
    assert "has no ondol.json" in push(hub, bundle).stderr
    assert hub.repositories == {}


def test_a_push_that_breaks_off_changes_nothing_and_goes_on(
    hub: Any, bundle: Path, bundle_files: dict[str, bytes]
) -> None:
    hub.fail("PUT", "break")
    failed = push(hub, bundle)
    assert failed.returncode == 1
    assert "ondol: error: cannot push " in failed.stderr
    assert f"the connection to {hub.url} failed" in failed.stderr
    assert hub.repositories["org/name"].main == {".gitattributes": b"lfs"}
    hub.faults.clear()
    assert push(hub, bundle).returncode == 0
    assert hub.repositories["org/name"].main.items() >= bundle_files.items()
    # What the hub has is not sent again.
    count = len(hub.received)
    assert push(hub, bundle).returncode == 0
    assert len(hub.received) == count


def test_offline(hub: Any, bundle: Path) -> None:
    failed = hub.ondol("push", str(bundle), "org/name", HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in failed.stderr.splitlines()[-1]
