"""The page with a fake model, over an index of three small documents."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ondol.benchmarks.results import BenchReport, Latency, Quality, Status, VariantResult
from ondol.engine import Engine
from ondol.manifest import Manifest
from ondol.page.finding import OpenIndex
from ondol.page.measuring import Measuring
from ondol.page.routes import page_routes
from ondol.runtime.default import default_bundle
from ondol.search import Index, update
from ondol.serve.app import create_app
from ondol.serve.served_model import ServedModel
from ondol.testing import FakeEmbedder
from ondol.variants import Variant

DOCUMENTS = {
    "여행.md": "# 국내 여행\n\n제주도는 😀 화산섬이며 여행지로 이름났다.\n",
    "code.py": "def travel():\n    return 1\n",
    "a <b>bold name & a very long one " + "x" * 120 + ".txt": (
        "<img src=x onerror=\"document.title='hurt'\"> market news"
    ),
}

MakeApp = Callable[..., Starlette]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder with DOCUMENTS."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def index(tmp_path: Path, documents: Path) -> Iterator[OpenIndex]:
    """An index of them."""
    path = tmp_path / "index.sqlite3"
    model = FakeEmbedder(dimension=64, prompts={})
    update(path, documents, model)
    with closing(OpenIndex(path, Index.open(path, model))) as opened:
        yield opened


#: Stands in for `ondol bench`: says what it does, and waits to be stopped or writes results.
BENCH = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[-1])
print("[   0.0 s] onnx-int8: load", file=sys.stderr, flush=True)
try:
    time.sleep(float(sys.argv[1]))
    code = int(sys.argv[2])
except KeyboardInterrupt:
    code = 130
if sys.argv[3] != "nothing":
    (folder / "bench.json").write_text(pathlib.Path(sys.argv[3]).read_text("utf-8"), "utf-8")
print("the end", file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def bench() -> Callable[..., tuple[str, ...]]:
    """A command that takes `seconds`, copies the file `results`, and exits with `code`."""

    def command(
        *, seconds: float = 0, code: int = 0, results: Path | str = "nothing"
    ) -> tuple[str, ...]:
        return (sys.executable, "-c", BENCH, str(seconds), str(code), str(results))

    return command


@pytest.fixture
def report() -> BenchReport:
    """Results of one variant, enough for two plots."""
    return BenchReport(
        command="ondol bench",
        measured_at="2026-01-02T03:04:05+00:00",
        bundle="b",
        model={"source": "s", "layers": 1, "rows": 1},
        machine={"processor": "p"},
        threads=2,
        texts=1,
        tokens=3,
        rounds=5,
        complete=True,
        variants=(
            VariantResult(
                name=Variant.ONNX_INT8,
                engine=Engine.ONNXRUNTIME,
                bytes=17_000_000,
                status=Status.OK,
                problem=None,
                quality=Quality(64, 0.999, 0.998, 0.99),
                cold_start_ms=300.0,
                peak_bytes=200_000_000,
                latency=(Latency(16, 4.5, 5.0, 100), Latency(64, 11.0, 12.0, 100)),
                throughput=(),
            ),
        ),
    )


@pytest.fixture
def make_app(bench: Callable[..., tuple[str, ...]]) -> Iterator[MakeApp]:
    """An application with the page; keyword arguments go to page_routes."""
    measurings = []

    def make(**changes: Any) -> Starlette:
        bundle = default_bundle()
        manifest = Manifest.read(bundle)
        embedder = FakeEmbedder(dimension=64, prompts={})
        options: dict[str, Any] = {
            "name": "ondol",
            "variant": "onnx-int8",
            "measuring": Measuring(bench()),
            "opened": None,
            "opener": None,
            "full_tokenizer": None,
        }
        options |= changes
        measurings.append(options["measuring"])
        model = ServedModel(
            name="ondol",
            prompts={},
            default_prompt="none",
            dimension=64,
            max_tokens=embedder.max_tokens,
            normalized=True,
            pooling="mean",
            variant="onnx-int8",
            family="bert",
            bytes=1,
            sha256="0" * 64,
            loaded_at=datetime(2026, 1, 2, tzinfo=UTC),
        )
        return create_app(
            embedder,
            model,
            allowed_hosts=["localhost", "127.0.0.1"],
            routes=page_routes(bundle, manifest, **options),
        )

    yield make
    for measuring in measurings:
        measuring.close()


@pytest.fixture
def make_client(make_app: MakeApp) -> Callable[..., TestClient]:
    """A client of such an application, as a program of this machine."""

    def make(**changes: Any) -> TestClient:
        app = make_app(**changes)
        return TestClient(app, base_url="http://localhost", raise_server_exceptions=False)

    return make
