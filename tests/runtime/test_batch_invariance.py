"""A text's vector is the same bits alone, in any company, in any order."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ondol.manifest import Manifest
from ondol.runtime.embedder import Embedder

VARIANTS = ["onnx-fp32", "onnx-int8", "gguf-f32", "gguf-f16"]


@pytest.fixture(scope="module", params=VARIANTS)
def embedder(request: pytest.FixtureRequest, tiny_bundle: Path) -> Embedder:
    return Embedder(tiny_bundle, variant=request.param, threads=2)


def test_every_variant_of_the_bundle_is_here(tiny_bundle: Path) -> None:
    assert [record.name.value for record in Manifest.read(tiny_bundle).variants] == VARIANTS


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text("한국어ab ж", max_size=12), min_size=1, max_size=12),
    batch_size=st.integers(1, 12),
)
def test_alone_and_together(embedder: Embedder, texts: list[str], batch_size: int) -> None:
    together = embedder.encode(texts, batch_size=batch_size)
    alone = np.stack([embedder.encode(text) for text in texts])
    assert together.tobytes() == alone.tobytes()
    backwards = embedder.encode(texts[::-1], batch_size=batch_size)
    assert backwards[::-1].tobytes() == alone.tobytes()
