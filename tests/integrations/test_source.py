"""What an adapter stores means the same bundle elsewhere."""

from pathlib import Path

import pytest

from ondol import Embedder, InputError
from ondol.integrations.source import BundleSource
from ondol.runtime.default import default_bundle
from ondol.testing import FakeEmbedder


def test_a_relative_path_is_stored_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me" / "mine").mkdir(parents=True)
    assert BundleSource.of("bundle").bundle == str(tmp_path / "bundle")
    assert BundleSource.of("me/mine").bundle == str(tmp_path / "me" / "mine")
    assert BundleSource.of(Path("me/other")).bundle == str(tmp_path / "me" / "other")


def test_a_repository_of_the_hub_keeps_its_name(tmp_path: Path) -> None:
    assert BundleSource.of("someone/some-bundle").bundle == "someone/some-bundle"


def test_the_bundle_of_the_package_is_stored_without_its_path() -> None:
    """It lies elsewhere on the machine where this is read."""
    with Embedder(variant="onnx-int8", threads=1, check="off") as model:
        assert BundleSource.of_model(model) == BundleSource(None, "onnx-int8", None)
    assert BundleSource.of(None) == BundleSource(None, None, None)


def test_a_copy_of_the_bundle_is_stored_with_its_path(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.symlink_to(default_bundle())
    with Embedder(copy, variant="onnx-int8", check="off") as model:
        assert BundleSource.of_model(model) == BundleSource(str(copy), "onnx-int8", None)


@pytest.mark.parametrize("options", [{"truncate_dim": 64}, {"normalize": "NFC"}])
def test_what_would_be_lost_is_an_error(options: dict[str, object]) -> None:
    (name,) = options
    with (
        Embedder(variant="onnx-int8", check="off", **options) as model,  # type: ignore[arg-type]
        pytest.raises(InputError, match=f"{name}=.*would be lost"),
    ):
        BundleSource.of_model(model)


def test_a_fake_cannot_be_stored() -> None:
    with pytest.raises(InputError, match="a FakeEmbedder cannot be stored; expected a model"):
        BundleSource.of_model(FakeEmbedder())


def test_stored_and_read_again() -> None:
    source = BundleSource("/somewhere/bundle", "gguf-q8_0", 2)
    assert BundleSource.parse(source.to_dict()) == source
    with pytest.raises(InputError, match=r"unknown settings \['varient'\]; expected some of"):
        BundleSource.parse({"varient": "gguf-q8_0"})
