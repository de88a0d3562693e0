"""A text's vector is the same bits alone, in any company and order, on any number of threads."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ondol.engine import Engine
from ondol.manifest import Manifest
from ondol.runtime.embedder import Embedder
from ondol.variants import Variant

VARIANTS = ["onnx-fp32", "onnx-int8", "onnx-int4", "gguf-f32", "gguf-f16"]
#: Every variant in its engine, and the ONNX ones in OpenVINO.
RUNS = [(v, Engine.of(Variant.parse(v)).value) for v in VARIANTS]
RUNS += [(v, "openvino") for v in VARIANTS[:3]]


@pytest.fixture(scope="module", params=RUNS, ids=" in ".join)
def embedders(request: pytest.FixtureRequest, tiny_bundle: Path) -> Iterator[list[Embedder]]:
    """The same variant with 1, 2 and 3 threads."""
    variant, engine = request.param
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                Embedder(tiny_bundle, variant=variant, engine=engine, threads=threads)
            )
            for threads in (1, 2, 3)
        ]


def test_every_variant_of_the_bundle_is_here(tiny_bundle: Path) -> None:
    assert [record.name.value for record in Manifest.read(tiny_bundle).variants] == VARIANTS


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text("한국어ab ж", max_size=24), min_size=1, max_size=24),
    batch_size=st.integers(1, 24),
)
# In OpenVINO, where onnx-int4 gave other last bits for two texts in one run:
@example(texts=["baaaaaaaaaa", "국aa 국ba한abb"], batch_size=2)
def test_alone_and_together(embedders: list[Embedder], texts: list[str], batch_size: int) -> None:
    alone = np.stack([embedders[0].encode(text) for text in texts])
    for embedder in embedders:
        together = embedder.encode(texts, batch_size=batch_size)
        assert together.tobytes() == alone.tobytes()
        backwards = embedder.encode(texts[::-1], batch_size=batch_size)
        assert backwards[::-1].tobytes() == alone.tobytes()


@pytest.mark.parametrize(("variant", "engine"), RUNS)
@pytest.mark.parametrize("threads", [2, 3])
def test_a_run_on_all_threads_gives_the_same_bits(
    tiny_bundle: Path, variant: str, engine: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A text of the tiny model is too short for several threads otherwise.
    for module in ("lone_calls", "llama_backend"):
        monkeypatch.setattr(f"ondol.runtime.{module}.WORTH_ALL_THREADS", 1)
    texts = ["한국 a", "", "ab 한국 한국 a b" * 3, "어 한"]
    with Embedder(tiny_bundle, variant=variant, engine=engine, threads=1) as one:
        expected = one.encode(texts)
    with Embedder(tiny_bundle, variant=variant, engine=engine, threads=threads) as several:
        for _ in range(3):
            alone = np.stack([several.encode(text) for text in texts])
            assert alone.tobytes() == expected.tobytes()
