"""The index's numbers, and passages that fit."""

from collections.abc import Callable

from starlette.testclient import TestClient

from ondol.page.finding import OpenIndex, marked

MakeClient = Callable[..., TestClient]


def test_without_an_index_there_is_nothing(make_client: MakeClient) -> None:
    client = make_client()
    assert client.get("/ui/index").json() is None
    assert client.post("/ui/search", json={"text": "여행"}).json()["hits"] == []


def test_the_index_is_described(make_client: MakeClient, index: OpenIndex) -> None:
    found = make_client(opened=index).get("/ui/index").json()
    assert (found["files"], found["passages"], found["folder"]) == (3, 3, "documents")
    assert found["opens"] is False


def test_a_passage_comes_with_its_place_and_marked_words(
    make_client: MakeClient, index: OpenIndex
) -> None:
    answer = make_client(opened=index).post("/ui/search", json={"text": "여행지"}).json()
    hit = answer["hits"][0]
    assert hit["file"] == "여행.md"
    assert hit["path"].endswith("/documents/여행.md")
    assert (hit["unit"], hit["first"], hit["headings"]) == ("line", 1, ["국내 여행"])
    assert hit["word_rank"] == 1
    # Behind a character of two UTF-16 units too.
    assert "여행지" in [part["text"] for part in hit["snippet"] if part["marked"]]
    assert answer["milliseconds"] > 0


def test_an_empty_text_is_a_wrong_request(make_client: MakeClient, index: OpenIndex) -> None:
    answer = make_client(opened=index).post("/ui/search", json={"text": " "})
    assert answer.status_code == 400
    assert "is empty" in answer.json()["error"]


def test_what_a_person_types_is_short(make_client: MakeClient, index: OpenIndex) -> None:
    answer = make_client(opened=index).post("/ui/search", json={"text": "x" * 300_000})
    assert answer.status_code == 413


def test_parts_put_together_are_the_text() -> None:
    parts = marked("ab cd ef", [(0, 2), (6, 8)])
    assert parts == [
        {"text": "ab", "marked": True},
        {"text": " cd ", "marked": False},
        {"text": "ef", "marked": True},
    ]
    assert marked("", []) == []
