"""A folder of documents, and a model that tells words apart by the letters they begin with."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ondol.testing import FakeEmbedder

WriteFiles = Callable[[Mapping[str, str | bytes]], Path]


@pytest.fixture
def write_files(tmp_path: Path) -> WriteFiles:
    """Write files below one folder and return it; str in UTF-8."""

    def write(files: Mapping[str, str | bytes]) -> Path:
        folder = tmp_path / "documents"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return write


@pytest.fixture
def model() -> FakeEmbedder:
    """Texts have about orthogonal vectors; a passage is found by meaning with its own text."""
    return FakeEmbedder(dimension=64, prompts={})
