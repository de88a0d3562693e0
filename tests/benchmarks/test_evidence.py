"""The comparison's tables and plots say what the results say."""

import json
from pathlib import Path
from typing import Any

import evidence
import pytest
from peers import sentence_transformers_torch

COMPARED = Path(evidence.__file__).parent / "results" / "compare.json"


def contender(name: str, factor: float, failure: str | None = None) -> dict[str, Any]:
    """Everything `factor` times of 1 MB, 1 s, 1,000 tokens per second."""
    numbers = {
        key: {"median": value * factor, "low": value * factor / 2, "high": value * factor * 2}
        for key, value in {
            "bytes": 1e6,
            "cold_start_seconds": 1.0,
            "seconds_16": 0.001,
            "seconds_64": 0.002,
            "seconds_256": 0.01,
            "seconds_512": 0.02,
            "tokens_per_second": 1000.0,
            "peak_bytes": 1e8,
        }.items()
    }
    return {
        "name": name,
        "failure": failure,
        "numbers": {} if failure else numbers,
        "ratios": {} if failure else dict.fromkeys(numbers, factor),
        "versions": {},
    }


@pytest.fixture
def compared() -> dict[str, Any]:
    torch = sentence_transformers_torch.NAME
    return {
        "contenders": [
            contender("ondol onnx-int8", 1),
            contender("ondol onnx-int8, openvino", 2),
            contender(torch, 10),
            contender("fast peer", 3),
            contender("slow peer", 30),
            contender("broken peer", 1, "needs another processor"),
        ],
        "best_peers": {"bytes": {"name": "fast peer", "ratio": 3.0}},
        "rounds": 3,
        "threads": 2,
        "texts": 30,
        "layers": 12,
        "rows": 41_348,
        "peer_rows": 41_348,
    }


@pytest.fixture
def quality() -> dict[str, Any]:
    def model(share: float) -> dict[str, Any]:
        return {
            place: {
                measure: {
                    "score": 0.5 * share,
                    "difference": 0.5 * share - 0.5,
                    "low": 0.5 * share - 0.6,
                    "high": 0.5 * share - 0.4,
                }
            }
            for place, measure in evidence.KEPT.items()
        }

    return {
        "base": "whole",
        "models": {
            "whole": model(1.0),
            "48,000 rows, onnx-int8": model(0.99),
            "fast peer": model(0.8),
        },
    }


def test_every_contender_that_ran_has_a_row(
    compared: dict[str, Any], quality: dict[str, Any]
) -> None:
    table = evidence.medians(compared, quality)
    assert [row[0] for row in table.rows] == [
        one["name"] for one in compared["contenders"] if one["name"] != "broken peer"
    ]
    assert table.rows[0] == (
        "ondol onnx-int8", "1.0", "1.00", "1.0", "2.0", "10.0", "20", "1,000", "100", "99.0%",
    )  # fmt: skip
    kept = {row[0]: row[-1] for row in table.rows}
    assert kept["fast peer"] == "80.0%"
    assert kept["ondol onnx-int8, openvino"] == "-", "its quality was not measured"
    assert len(evidence.HEADER_KO) == len(table.header)


def test_one_file_in_several_engines_has_one_quality(quality: dict[str, Any]) -> None:
    shares = evidence.kept(quality) | {"48,000 rows, gguf-q8_0": 0.97}
    assert evidence.quality_of("llama-cpp-python gguf-q8_0", shares) == 0.97
    assert evidence.quality_of("ondol gguf-q8_0", shares) == 0.97
    assert evidence.quality_of("llama-cpp-python gguf-q4_0", shares) is None
    known = {
        one["name"] for one in json.loads(COMPARED.read_text("utf-8"))["results"]["contenders"]
    }
    assert set(evidence.SAME_VECTORS) <= known


def test_shares_are_averaged_over_the_sets(quality: dict[str, Any]) -> None:
    quality["models"]["fast peer"]["korsts"]["spearman"]["score"] = 0.5  # 1.0 of the base
    assert evidence.kept(quality)["fast peer"] == pytest.approx((1.0 + 3 * 0.8) / 4)


def test_the_short_table_has_ondol_pytorch_and_the_best(
    compared: dict[str, Any], quality: dict[str, Any]
) -> None:
    names = [row[0] for row in evidence.highlights(compared, quality).rows]
    torch = sentence_transformers_torch.NAME
    assert names == ["ondol onnx-int8", "ondol onnx-int8, openvino", torch, "fast peer"]


def test_spreads_ratios_and_reasons(compared: dict[str, Any]) -> None:
    assert evidence.spreads(compared).rows[0][1] == "0.50–2.00"
    assert {row[0]: row[1] for row in evidence.ratios(compared).rows}["slow peer"] == "30.00"
    assert evidence.best_peers(compared).rows == (("MB", "fast peer", "3.00"),)
    assert evidence.failures(compared).rows == (("broken peer", "needs another processor"),)


def test_plots_have_the_points_whose_quality_is_known(
    compared: dict[str, Any], quality: dict[str, Any]
) -> None:
    for plot in (evidence.size_plot, evidence.latency_plot):
        svg = plot(compared, quality)
        assert ">onnx-int8<" in svg
        assert ">fast peer<" in svg
        assert "slow peer" not in svg


def test_the_page_opens_offline(compared: dict[str, Any], quality: dict[str, Any]) -> None:
    page = evidence.page(compared, quality, ["python benchmarks/compare.py a <b>"], "a machine")
    assert page.count("<svg") == 2
    assert "needs another processor" in page
    assert "compare.py a &lt;b&gt;" in page
    for outside in ("<script", "src=", "@import", "<link"):
        assert outside not in page
