"""A bundle's files lie inside its directory; only the hub's cache may keep them beside it."""

import os
import shutil
from pathlib import Path

import pytest

from ondol.containment import check_inside
from ondol.errors import ManifestError
from ondol.runtime.embedder import Embedder


@pytest.mark.parametrize("name", ["ondol.json", "tokenizer.json", "onnx/model-fp32.onnx"])
def test_a_link_that_leads_outside(tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    shutil.move(bundle / name, tmp_path / "outside")
    (bundle / name).symlink_to(tmp_path / "outside")
    with pytest.raises(ManifestError, match="outside of the bundle"):
        Embedder(bundle, variant="onnx-fp32", check="off")


def test_links_of_the_hubs_cache(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "snapshots" / "commit"))
    (tmp_path / "blobs").mkdir()
    shutil.move(bundle / "tokenizer.json", tmp_path / "blobs" / "content")
    (bundle / "tokenizer.json").symlink_to(Path("..", "..", "blobs", "content"))
    Embedder(bundle, variant="onnx-fp32").close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX pipes")
def test_a_pipe_does_not_wait_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tokenizer.json")
    with pytest.raises(ManifestError, match="not a regular file"):
        check_inside(tmp_path, "tokenizer.json")


def test_links_that_lead_to_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ManifestError, match="leads nowhere"):
        check_inside(tmp_path, "a")
