"""The manifest's table, plots, and a measurement by way of HTTP."""

import time
from collections.abc import Callable
from pathlib import Path

from starlette.testclient import TestClient

from ondol.benchmarks.results import BenchReport
from ondol.manifest import Manifest
from ondol.page.measuring import Measuring
from ondol.runtime.default import default_bundle
from ondol.variants import Variant

MakeClient = Callable[..., TestClient]


def test_the_table_is_the_manifests(make_client: MakeClient) -> None:
    found = make_client().get("/ui/model").json()
    manifest = Manifest.read(default_bundle())
    assert found["rows"] == manifest.vocabulary.rows
    assert [
        (one["name"], one["bytes"], one["min_cosine"], one["loaded"]) for one in found["variants"]
    ] == [
        (one.name.value, one.bytes, one.parity.min_cosine, one.name is Variant.ONNX_INT8)
        for one in manifest.variants
    ]
    plot = make_client().get(f"/ui/plots/{found['plots'][0]}")
    assert plot.headers["content-type"] == "image/svg+xml"
    for one in manifest.variants:
        assert f">{one.name.value}</text>" in plot.text


def test_an_unknown_plot_is_not_there(make_client: MakeClient) -> None:
    answer = make_client().get("/ui/plots/other.svg")
    assert answer.status_code == 404
    assert "recorded.svg" in answer.json()["error"]


def test_results_of_an_earlier_run_are_shown(
    make_client: MakeClient, bench: Callable[..., tuple[str, ...]], report: BenchReport
) -> None:
    client = make_client(measuring=Measuring(bench(), report))
    found = client.get("/ui/measurement").json()
    assert found["state"] == "done"
    assert found["report"]["variants"][0]["latency"][0]["p50_ms"] == 4.5
    assert found["plots"] == ["size-quality.svg", "latency-length.svg"]
    for name in found["plots"]:
        assert client.get(f"/ui/plots/{name}").text.startswith("<svg")


def test_a_measurement_runs_beside_the_server(
    make_client: MakeClient,
    bench: Callable[..., tuple[str, ...]],
    report: BenchReport,
    tmp_path: Path,
) -> None:
    results = tmp_path / "r.json"
    results.write_text(report.to_json(), encoding="utf-8")
    client = make_client(measuring=Measuring(bench(seconds=60, results=results)))
    assert client.get("/ui/measurement").json()["report"] is None
    assert client.post("/ui/measurement/start").json()["state"] == "running"
    while not (found := client.get("/ui/measurement").json())["progress"]:
        time.sleep(0.01)
    assert found["state"] == "running"
    client.post("/ui/measurement/stop")
    while (found := client.get("/ui/measurement").json())["state"] == "running":
        time.sleep(0.01)
    assert found["state"] == "stopped"
    assert found["report"]["variants"][0]["name"] == "onnx-int8"
