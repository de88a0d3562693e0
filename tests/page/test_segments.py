"""Pieces of a text, by a vocabulary that can be checked by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ondol.errors import CheckpointError
from ondol.page.segments import Kind, Segmenter

MakeClient = Callable[..., TestClient]


@pytest.fixture
def write_tokenizer(tiny_tokenizer: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    """The tiny tokenizer as a file, without the pieces that are named."""

    def write(*dropped: str) -> Path:
        content = json.loads(json.dumps(tiny_tokenizer))
        vocabulary = content["model"]["vocab"]
        vocabulary[:] = [entry for entry in vocabulary if entry[0] not in dropped]
        content["added_tokens"][-1]["id"] = len(vocabulary) - 1  # <mask> stands last
        path = tmp_path / f"tokenizer-{len(dropped)}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write


def test_kinds_and_positions(write_tokenizer: Callable[..., Path]) -> None:
    pieces = Segmenter(write_tokenizer())("한국어 abж?<mask>")
    assert [(one.piece, one.kind) for one in pieces] == [
        ("▁한국", Kind.PIECE),
        ("어", Kind.CHARACTER),
        ("▁ab", Kind.PIECE),
        ("ж", Kind.CHARACTER),
        ("?", Kind.UNKNOWN),
        ("<mask>", Kind.SPECIAL),
    ]
    assert [(one.start, one.end) for one in pieces][:4] == [(0, 2), (2, 3), (4, 6), (6, 7)]
    assert [(one.byte_start, one.byte_end) for one in pieces][:4] == [
        (0, 6),
        (6, 9),
        (10, 12),
        (12, 14),
    ]


def test_pieces_that_the_prune_dropped_are_told_from_those_it_kept(
    write_tokenizer: Callable[..., Path],
) -> None:
    pruned = Segmenter(write_tokenizer("▁한국", "ж", "▁жж"))
    full = Segmenter(write_tokenizer(), kept=pruned.vocabulary)
    assert [(one.piece, one.kind) for one in full("한국어 жж")] == [
        ("▁한국", Kind.DROPPED),
        ("어", Kind.CHARACTER),
        ("▁жж", Kind.DROPPED),
    ]
    # What is left of the same text: shorter pieces, or none.
    assert [(one.piece, one.kind) for one in pruned("한국어 жж")] == [
        ("▁한", Kind.PIECE if len("▁한") > 2 else Kind.CHARACTER),
        ("국", Kind.CHARACTER),
        ("어", Kind.CHARACTER),
        ("▁", Kind.PIECE),
        ("жж", Kind.UNKNOWN),
    ]


def test_texts_longer_than_the_models_maximum_are_not_cut(
    write_tokenizer: Callable[..., Path],
) -> None:
    path = write_tokenizer()
    content = json.loads(path.read_text("utf-8"))
    content["truncation"] = {
        "direction": "Right",
        "max_length": 4,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    assert len(Segmenter(path)("ab " * 50)) == 50


def test_the_tab_gets_both_segmentations(
    make_client: MakeClient, write_tokenizer: Callable[..., Path]
) -> None:
    alone = make_client().post("/ui/segments", json={"text": "국내 여행"}).json()
    assert alone["full"] is None
    assert "".join(piece["piece"] for piece in alone["pieces"]) == "▁국내▁여행"
    both = make_client(full_tokenizer=write_tokenizer())
    answer = both.post("/ui/segments", json={"text": "한국어"}).json()
    assert [piece["piece"] for piece in answer["full"]] == ["▁한국", "어"]


@pytest.mark.parametrize("text", ["x" * 10_001, "\ud800"])
def test_what_cannot_be_segmented_is_a_wrong_request(make_client: MakeClient, text: str) -> None:
    body = json.dumps({"text": text}).encode()
    assert make_client().post("/ui/segments", content=body).status_code == 400


def test_a_file_that_is_no_tokenizer_is_an_error(make_client: MakeClient, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        make_client(full_tokenizer=tmp_path / "tokenizer.json")
