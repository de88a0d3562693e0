"""The program that writes the default counts: its sources must be there, or it says so."""

import io
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ondol.errors import InputError
from ondol.vocab_prune.keeplist import load_keeplist


@pytest.fixture(scope="module")
def sources() -> Iterator[ModuleType]:
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        import keeplist_sources

        yield keeplist_sources
    finally:
        sys.path.remove(folder)


def test_a_source_that_is_not_there_is_an_error(sources: ModuleType, tmp_path: Path) -> None:
    places = sources.Places(tmp_path, tmp_path)
    with pytest.raises(InputError, match=r"expected one package file of wordnet-base, found \[\]"):
        next(places.text("wordnet-base", "data"))


def test_packages_are_read_unopened(sources: ModuleType, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some_words-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("some_words/list.txt", "가")
        wheel.writestr("some_words/code.py", "")
    with tarfile.open(tmp_path / "names-0.3.0.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("names-0.3.0/names.txt")
        entry.size = 2
        archive.addfile(entry, io.BytesIO(b"ab"))
    places = sources.Places(tmp_path, tmp_path)
    assert list(places.text("some-words", r"\.txt$")) == ["가"]
    assert list(places.text("names", r"\.txt$")) == ["ab"]
    assert sources.version(places, "some-words") == "1.2"
    assert sources.version(places, "names") == "0.3.0"
    with pytest.raises(InputError, match="no file matches"):
        next(places.text("names", "gone"))


def test_shares_of_a_words_forms_add_up(sources: ModuleType, tmp_path: Path) -> None:
    places = sources.Places(tmp_path, tmp_path)
    # Stands in for the spelling lists: a cached property that was read before.
    places.__dict__["english_case"] = {"water": "lower", "london": "title", "bbc": "upper"}
    for word, plainest in {"water": "water", "london": "London", "bbc": "BBC"}.items():
        forms = dict(sources._variants(places, word, 100.0))
        assert max(forms, key=lambda form: forms[form]) == plainest
        assert sum(forms.values()) == pytest.approx(100.0)


def test_the_data_file_was_written_from_these_sources(sources: ModuleType) -> None:
    written = load_keeplist().provenance["sources"]
    assert {
        language: [(entry["name"], entry["share"], entry["licence"]) for entry in entries]
        for language, entries in written.items()
    } == {
        language: [(source.name, source.share, source.licence) for source in entries]
        for language, entries in sources.SOURCES.items()
    }
