"""`ondol serve --ui` and `ondol app`, up to where they would serve."""

import queue
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ondol.cli import main


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--db", "notes.sqlite3"], "--db is shown by the page: give --ui too"),
        (["--full-tokenizer", "t.json"], "--full-tokenizer is shown by the page"),
        (["--bench", "bench.json"], "--bench is shown by the page"),
        (["--ui", "--host", "0.0.0.0"], "leave --host out"),
        (["--ui", "--api-key", "secret"], "--ui and an API key exclude each other"),
    ],
)
def test_wrong_usage(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", *options])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_key_of_the_environment_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONDOL_API_KEY", "secret")
    with pytest.raises(SystemExit):
        main(["serve", "--ui"])
    assert "ONDOL_API_KEY unset" in capsys.readouterr().err


Ask = Callable[[TestClient], Any]


@pytest.fixture
def while_it_serves(monkeypatch: pytest.MonkeyPatch) -> Callable[[Ask], list[Any]]:
    """Have a function called, with a client, in the place of the server; its results are kept."""

    def plan(ask: Ask) -> list[Any]:
        answers: list[Any] = []

        def run_server(app: Any, bound: Any, *, announcement: str) -> None:
            print(announcement, file=sys.stderr)
            with TestClient(app, base_url="http://127.0.0.1") as client:
                answers.append(ask(client))

        monkeypatch.setattr("ondol.serve.run_server.run_server", run_server)
        return answers

    return plan


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a document, in which the command is called."""
    (tmp_path / "a.md").write_text("국내여행지로 이름난 섬.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ONDOL_API_KEY", raising=False)
    return tmp_path


def found(client: TestClient) -> Any:
    """The page's index, and the first hit's file."""
    answer = client.post("/ui/search", json={"text": "여행지"}).json()
    return client.get("/ui/index").json(), [hit["file"] for hit in answer["hits"]]


def test_a_page_without_an_index(folder: Path, while_it_serves: Callable[[Ask], list[Any]]) -> None:
    answers = while_it_serves(found)
    assert main(["serve", "--port", "0", "--ui"]) == 0
    assert answers == [(None, [])]


def test_without_the_option_there_is_no_page(
    folder: Path, while_it_serves: Callable[[Ask], list[Any]]
) -> None:
    answers = while_it_serves(lambda client: client.get("/ui/index").status_code)
    assert main(["serve", "--port", "0"]) == 0
    assert answers == [404]


def test_an_app_is_index_and_page(
    folder: Path,
    while_it_serves: Callable[[Ask], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr("webbrowser.open", opened.put)
    answers = while_it_serves(found)
    assert main(["app", str(folder), "--port", "0"]) == 0
    index, files = answers[0]
    assert (index["folder"], index["files"], files) == (folder.name, 1, ["a.md"])
    report, serving = capsys.readouterr().err.splitlines()
    assert report.startswith("1 file indexed")
    assert serving == f"serving ondol (onnx-int8) on {opened.get(timeout=10)}"

    # What it has made is found by `ondol serve --ui` in the folder.
    assert main(["serve", "--port", "0", "--ui"]) == 0
    assert answers[1][1] == ["a.md"]


def test_an_app_without_a_browser(
    folder: Path, while_it_serves: Callable[[Ask], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    answers = while_it_serves(found)
    command = ["app", str(folder), "--db", "notes.sqlite3", "--port", "0", "--no-browser"]
    assert main(command) == 0
    assert answers[0][0]["path"] == "notes.sqlite3"
    assert opened == []


def test_unreadable_files_are_errors_before_anything_is_served(
    folder: Path, while_it_serves: Callable[[Ask], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    answers = while_it_serves(found)
    for options in (["--bench", "a.md"], ["--full-tokenizer", "a.md"], ["--db", "a.md"]):
        assert main(["serve", "--port", "0", "--ui", *options]) == 1
        assert "a.md" in capsys.readouterr().err
    assert answers == []
