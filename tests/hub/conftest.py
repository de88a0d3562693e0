"""A hub for each test, and a bundle for it to hold."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import Files, Hub, files_of, running_hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub without repositories."""
    with running_hub(tmp_path / "hub-home") as hub:
        yield hub


@pytest.fixture
def bundle_files(tiny_bundle: Path) -> Files:
    """The files of a bundle with five variants, as a repository holds them."""
    return files_of(tiny_bundle)
