"""Only files that a search has just found, and that are shown and never run, are opened."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ondol.page.finding import OpenIndex
from ondol.page.opening import desktop_opener

MakeClient = Callable[..., TestClient]


@pytest.fixture
def opened() -> list[Path]:
    """What was opened."""
    return []


@pytest.fixture
def client(make_client: MakeClient, index: OpenIndex, opened: list[Path]) -> TestClient:
    return make_client(opened=index, opener=opened.append)


def hits(client: TestClient, text: str) -> dict[str, Any]:
    """The hits of a search by the name of their file."""
    answer = client.post("/ui/search", json={"text": text}).json()
    return {hit["file"]: hit for hit in answer["hits"]}


def test_a_found_document_is_opened(
    client: TestClient, opened: list[Path], documents: Path
) -> None:
    assert client.get("/ui/index").json()["opens"] is True
    answer = client.post("/ui/open", json={"id": hits(client, "여행지")["여행.md"]["open"]})
    assert answer.status_code == 200
    assert opened == [documents / "여행.md"]


def test_source_code_is_not(client: TestClient) -> None:
    assert hits(client, "travel")["code.py"]["open"] is None


@pytest.mark.parametrize("name", ["", "guessed", "/etc/hostname", "여행.md"])
def test_what_no_search_has_given_is_not(client: TestClient, opened: list[Path], name: str) -> None:
    assert client.post("/ui/open", json={"id": name}).status_code == 404
    assert opened == []


def test_a_link_to_a_program_in_its_place_is_not(
    client: TestClient, opened: list[Path], documents: Path
) -> None:
    number = hits(client, "여행지")["여행.md"]["open"]
    (documents / "여행.md").unlink()
    (documents / "여행.md").symlink_to(documents / "code.py")
    assert client.post("/ui/open", json={"id": number}).status_code == 404
    (documents / "여행.md").unlink()
    answer = client.post("/ui/open", json={"id": number})
    assert "여행.md is not there any more" in answer.json()["error"]
    assert opened == []


def test_only_the_last_passages_are_remembered(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ondol.page.opening._REMEMBERED", 2)
    first = hits(client, "여행지")["여행.md"]["open"]
    hits(client, "여행지")
    answer = client.post("/ui/open", json={"id": first})
    assert answer.status_code == 404
    assert "search again" in answer.json()["error"]


def test_without_a_desktop_nothing_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert desktop_opener() is None


def test_the_desktops_program_gets_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "xdg-open"
    given = tmp_path / "given"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > "{given}.part"; mv "{given}.part" "{given}"\n')
    program.chmod(0o755)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    opener = desktop_opener()
    assert opener is not None
    opener(tmp_path / "a b;c.md")
    while not given.exists():
        time.sleep(0.01)
    assert given.read_text() == str(tmp_path / "a b;c.md")
