"""A file of another build in its place is refused, one at a time, each of them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ondol.convert.build import BuildOptions, build
from ondol.errors import BundleError
from ondol.manifest import Manifest
from ondol.runtime.embedder import Embedder
from ondol.variants import Variant

VARIANTS = (Variant.ONNX_FP32, Variant.GGUF_F16)


@pytest.fixture
def two_builds(tiny_bundle: Path, tmp_path: Path, make_checkpoint: Callable[..., Path]) -> Path:
    """Bundles `a` and `b` of the same shape and vocabulary, and of other weights."""
    # One position more, and all random numbers after it are other ones.
    checkpoint = make_checkpoint(max_tokens=25)
    build(BuildOptions(str(checkpoint), tmp_path / "b", prune=None, variants=VARIANTS))
    shutil.copytree(tiny_bundle, tmp_path / "a")
    return tmp_path


def files(bundle: Path) -> Iterator[str]:
    manifest = Manifest.read(bundle)
    records = [record for record in manifest.variants if record.name in VARIANTS]
    for record in manifest.files_of(records):
        yield record.path
    yield "ondol.json"


def load_all(bundle: Path) -> None:
    for variant in VARIANTS:
        Embedder(bundle, variant=variant.value).close()


def test_every_file_of_one_in_the_other(two_builds: Path) -> None:
    a, b, mixed = two_builds / "a", two_builds / "b", two_builds / "mixed"
    refused = []
    for here, there in ((a, b), (b, a)):
        for name in files(here):
            if (here / name).read_bytes() == (there / name).read_bytes():
                continue
            shutil.copytree(here, mixed)
            shutil.copyfile(there / name, mixed / name)
            with pytest.raises(BundleError):
                load_all(mixed)
            shutil.rmtree(mixed)
            refused.append(name)
    # The texts of the reference and the tokenizer are the same in both.
    assert sorted(set(refused)) == [
        "calibration.npy",
        "gguf/model-f16.gguf",
        "ondol.json",
        "onnx/model-fp32.onnx",
        "reference.npy",
    ]
