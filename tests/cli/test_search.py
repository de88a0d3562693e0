"""`ondol index` and `ondol search` in process, with a fake model."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ondol.cli import main
from ondol.cli.index import DEFAULT_NAME
from ondol.testing import FakeEmbedder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Both commands use a fake; what they were to open is remembered."""
    models: list[str | None] = []

    def open_model(args: Any) -> FakeEmbedder:
        models.append(args.model)
        return FakeEmbedder(dimension=16, prompts={})

    monkeypatch.setattr("ondol.cli.index.open_model", open_model)
    monkeypatch.setattr("ondol.cli.search.open_model", open_model)
    return models


@pytest.fixture
def folder(tmp_path: Path, opened: list[str | None]) -> Path:
    documents = tmp_path / "documents"
    (documents / "sub").mkdir(parents=True)
    (documents / "a.md").write_text("# 여행\n\n국내여행지로 이름난 섬.", encoding="utf-8")
    (documents / "sub" / "b.txt").write_text("시장 소식", encoding="utf-8")
    (documents / "zero.txt").write_bytes(b"\0")
    (documents / "c.png").write_bytes(b"\x89PNG")
    return documents


def test_index_says_what_it_did_and_left_out(folder: Path, capsys: Any) -> None:
    assert main(["index", str(folder)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    first, *rest = captured.err.splitlines()
    assert first.startswith("2 files indexed, 0 unchanged, 0 removed; 2 passages embedded in ")
    assert first.endswith(str(folder / DEFAULT_NAME))
    assert rest == [
        "skipped: 1 file: binary (zero.txt)",
        "not read: 1 file of other kinds (.png 1)",
    ]


def test_quiet_says_nothing(folder: Path, capsys: Any) -> None:
    assert main(["index", str(folder), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_search_finds_the_index_of_a_folder_above(
    folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["index", str(folder), "--quiet"]) == 0
    monkeypatch.chdir(folder / "sub")
    assert main(["search", "국내 여행", "--limit", "1"]) == 0
    assert capsys.readouterr().out == "1  a.md:1-3  여행\n   # 여행 국내여행지로 이름난 섬.\n"


def test_without_an_index_it_says_how_to_make_one(
    tmp_path: Path, opened: list[str | None], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["search", "x"]) == 1
    assert "make one with `ondol index FOLDER`" in capsys.readouterr().err


def test_json_has_all_of_a_hit(folder: Path, tmp_path: Path, capsys: Any) -> None:
    db = str(tmp_path / "i.sqlite3")
    assert main(["index", str(folder), "--db", db, "--quiet"]) == 0
    assert main(["search", "국내 여행", "--db", db, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["query"], found["index"], len(found["hits"])) == ("국내 여행", db, 2)
    hit = found["hits"][0]
    assert hit | {"score": 0, "vector_rank": 0} == {
        "file": "a.md",
        "path": str(folder / "a.md"),
        "unit": "line",
        "first": 1,
        "last": 3,
        "start": 0,
        "end": 19,
        "headings": ["여행"],
        "text": "# 여행\n\n국내여행지로 이름난 섬.",
        "snippet": "# 여행 국내여행지로 이름난 섬.",
        "highlights": [[2, 4], [5, 9]],
        "score": 0,
        "vector_rank": 0,
        "word_rank": 1,
        "reranked": False,
    }


def test_both_open_the_bundle_that_the_index_was_made_with(
    folder: Path, tmp_path: Path, opened: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (tmp_path / "bundle").mkdir()
    assert main(["index", ".", "--model", "../bundle"]) == 0
    assert main(["search", "x"]) == 0
    assert main(["index", "."]) == 0
    assert main(["search", "x", "--model", "other"]) == 0
    (tmp_path / "bundle").rmdir()
    assert main(["search", "x"]) == 0
    made_with = str(tmp_path / "bundle")
    assert opened == ["../bundle", made_with, made_with, "other", None]


def test_rerank_orders_with_the_bundle_it_names(
    folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LastFirst:
        def rank(
            self, query: str, documents: Sequence[str], *, top_k: int | None = None
        ) -> list[dict[str, Any]]:
            order = range(len(documents) - 1, -1, -1)
            return [{"corpus_id": place, "score": 0.25} for place in order][:top_k]

    named = []

    @contextmanager
    def open_reranker(args: Any) -> Iterator[LastFirst]:
        named.append(args.rerank)
        yield LastFirst()

    monkeypatch.setattr("ondol.cli.search.open_reranker", open_reranker)
    monkeypatch.chdir(folder)
    assert main(["index", ".", "--quiet"]) == 0
    assert main(["search", "국내 여행", "--rerank", "bundles/r", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert [(hit["file"], hit["score"]) for hit in hits] == [("sub/b.txt", 0.25), ("a.md", 0.25)]
    assert named == ["bundles/r"]


def test_on_a_terminal_the_words_are_bold(
    folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert main(["index", ".", "--quiet"]) == 0
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["search", "소식", "--limit", "1"]) == 0
    assert "시장 \033[1m소식\033[0m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["search", "소식", "--limit", "1"]) == 0
    assert "\033" not in capsys.readouterr().out


def test_an_empty_folder_gives_an_index_that_finds_nothing(
    tmp_path: Path, opened: list[str | None], capsys: Any
) -> None:
    (tmp_path / "empty").mkdir()
    db = str(tmp_path / "i.sqlite3")
    assert main(["index", str(tmp_path / "empty"), "--db", db, "--quiet"]) == 0
    assert main(["search", "x", "--db", db]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nothing is indexed" in captured.err
