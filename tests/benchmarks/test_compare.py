"""The comparison: every contender in turns, ratios that say who is better, and nobody left out."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import compare
import end_to_end
import numpy as np
import pytest
from compare import COLUMNS, Measured, Workload
from peers.contender import Contender
from peers.places import reasons_file

from ondol.errors import InputError
from ondol.manifest import Manifest
from ondol.variants import Variant

#: Embeds a text as its number of characters and 1; the mood "broken" cannot be loaded.
FAKE = """
import numpy as np

def load(source, threads, mood):
    if mood == "broken":
        raise NotImplementedError("BertModel")
    def encode(texts):
        vectors = np.array([[len(text), 1.0] for text in texts])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return encode
"""

WORK = Workload(
    singles={length: "가" * length for length in compare.LENGTHS}, mixed=["a", "bc"] * 9, tokens=90
)


@pytest.fixture
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What make_peers.py would have left if ctranslate2 had failed."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "fake_peer.py").write_text(FAKE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(modules))
    monkeypatch.setattr(compare, "PAUSE", 0)
    reasons_file(tmp_path).write_text(
        json.dumps({"ctranslate2": "its files could not be made: no converter"}), encoding="utf-8"
    )
    return tmp_path


def contender(name: str, source: Path, mood: str = "good") -> Contender:
    files = ("weights",)
    source.mkdir(exist_ok=True)
    (source / "weights").write_bytes(b"w" * 1000)
    return Contender(name, "fake_peer", None, source, files, ("numpy",), {"mood": mood})


def numbers(**medians: float) -> dict[str, dict[str, float]]:
    values = {column.key: 1.0 for column in COLUMNS} | medians
    return {key: {"median": v, "low": v, "high": v} for key, v in values.items()}


def test_a_contender_that_fails_says_why_and_the_others_go_on(peers: Path) -> None:
    wanted = [
        contender(compare.OURS, peers / "bundle"),
        contender("broken", peers / "broken", mood="broken"),
        contender("unmade", peers / "ctranslate2"),
        contender(compare.REFERENCE, peers / "checkpoint"),
    ]
    found = compare.records(compare.measure(wanted, peers, WORK, rounds=2, threads=1))
    assert {r["name"]: (r["turns"], r["failure"]) for r in found} == {
        compare.OURS: (2, None),
        "broken": (0, "NotImplementedError: BertModel"),
        "unmade": (0, "its files could not be made: no converter"),
        compare.REFERENCE: (2, None),
    }
    ours = found[0]
    assert ours["numbers"]["bytes"] == {"median": 1000, "low": 1000, "high": 1000}
    assert set(ours["numbers"]) == {column.key for column in COLUMNS}
    assert set(ours["ratios"].values()) == {1.0}
    assert ours["cosine_to_torch"] == {"mean": 1.0, "min": 1.0}
    assert ours["versions"] == {"numpy": np.__version__}
    results = {
        "texts": 18,
        "tokens": 90,
        "threads": 1,
        "rows": 48_000,
        "peer_rows": 48_000,
        "contenders": found,
        "best_peers": compare.best_peers(found),
    }
    text = compare.as_text(results)
    assert "broken: NotImplementedError: BertModel" in text
    assert f"best peer, tokens/s: {compare.REFERENCE}" in text


def test_ctrl_c_keeps_what_was_measured(peers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [contender(name, peers / "bundle") for name in ("first", "second")]
    turns: list[str] = []

    def turn(one: Measured, *_: Any) -> None:
        if len(turns) == 3:
            raise KeyboardInterrupt
        turns.append(one.contender.name)
        one.turns.append({column.key: float(len(turns)) for column in COLUMNS})

    monkeypatch.setattr(compare, "take_turn", turn)
    found = compare.records(compare.measure(wanted, peers, WORK, rounds=5, threads=1))
    assert turns == ["first", "second", "first"], "rounds are interleaved"
    assert [r["turns"] for r in found] == [2, 1]
    assert found[0]["numbers"]["bytes"] == {"median": 2, "low": 1, "high": 3}


def test_ratios_above_one_mean_that_ours_is_better() -> None:
    theirs = numbers(seconds_16=0.003, tokens_per_second=1000.0, bytes=50.0)
    ours = numbers(seconds_16=0.002, tokens_per_second=4000.0, bytes=100.0)
    found = compare.ratios(theirs, ours)
    assert found["seconds_16"] == 1.5
    assert found["tokens_per_second"] == 4
    assert found["bytes"] == 0.5
    assert compare.ratios({}, ours) == {}


def test_another_model_is_not_the_best_peer() -> None:
    def record(name: str, faster: float, near: Mapping[str, float] | None) -> dict[str, Any]:
        ratios = {column.key: faster for column in COLUMNS}
        return {"name": name, "ratios": ratios, "cosine_to_torch": near}

    near = {"mean": 0.99, "min": 0.98}
    found = [
        record("ondol gguf-q4_0", 0.1, near),
        record("static vectors", 0.2, None),
        record("slow", 3.0, near),
        record("quick", 2.0, near),
        {"name": "failed", "ratios": {}, "cosine_to_torch": None},
    ]
    best = compare.best_peers(found)
    assert best == {column.key: {"name": "quick", "ratio": 2.0} for column in COLUMNS}


def test_cosine_is_of_equal_shapes_alone() -> None:
    reference = np.array([[1, 0], [0, 1]], dtype=np.float32)
    turned = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    assert compare.cosine(turned, reference) == {"mean": 0.9, "min": 0.8}
    assert compare.cosine(np.ones((2, 3), np.float32), reference) is None
    assert compare.cosine(None, reference) is None


def test_every_variant_takes_part_with_every_engine(tiny_bundle: Path) -> None:
    manifest = Manifest.read(tiny_bundle)
    found = [c.name for c in compare.contenders(tiny_bundle, manifest, Path("peers"))]
    assert len(set(found)) == len(found)
    for variant in manifest.variants:
        assert f"ondol {variant.name}" in found
    assert compare.OURS in found
    assert compare.REFERENCE in found
    assert "llama-cpp-python gguf-q8_0, flash attention" in found, "its absence is told, not hidden"


def test_a_model_of_other_layers_is_not_compared(tiny_bundle: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(tiny_bundle)
    config = tmp_path / "checkpoint" / "config.json"
    config.parent.mkdir()
    config.write_text('{"vocab_size": 250037, "num_hidden_layers": 2}', encoding="utf-8")
    assert compare.peer_rows(manifest, tmp_path) == 250_037, "the same before the prune is"
    config.write_text('{"vocab_size": 20, "num_hidden_layers": 12}', encoding="utf-8")
    with pytest.raises(InputError, match="has 2 layers but the peers' checkpoint has 12"):
        compare.peer_rows(manifest, tmp_path)


def test_the_bars_of_the_issue_are_held_against_peers_by_name(tiny_bundle: Path) -> None:
    manifest = Manifest.read(tiny_bundle)
    variants = [Variant.ONNX_INT8, Variant.GGUF_F16]
    wanted = end_to_end.contenders(tiny_bundle, manifest, Path("peers"), variants)
    names = [one.name for one in wanted]
    records = [{"name": n, "seconds": 1.0 + i, "fastest_seconds": 1.0} for i, n in enumerate(names)]
    bars = end_to_end.bars(records, variants)
    assert [(bar["name"], bar["at_least"]) for bar in bars] == [
        ("ondol onnx-int8", 1.5),
        ("ondol onnx-int8", 3.0),
        ("ondol onnx-int8", 1.25),
        ("ondol gguf-f16", 1.3),
        ("ondol gguf-f16", 1.3),
        ("ondol onnx-int8, openvino", 1.5),
        ("ondol onnx-int8, openvino", 3.0),
        ("ondol onnx-int8, openvino", 1.25),
    ]
    torch = next(bar for bar in bars if bar["against"] == compare.REFERENCE)
    assert torch["ratio"] == 1.0 + names.index(compare.REFERENCE)
