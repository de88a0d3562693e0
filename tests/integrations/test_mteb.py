"""mteb's encoder protocol; tests/benchmarks/test_mteb_korean_retrieval.py runs a whole task."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mteb", reason="needs mteb, which the extra dev brings", exc_type=ImportError)

from mteb.models import EncoderProtocol
from mteb.types import PromptType

from ondol import Embedder
from ondol.files import sha256_of
from ondol.integrations.mteb import OndolEncoder
from ondol.runtime.default import default_bundle


def test_texts_get_the_prompt_of_their_role() -> None:
    batches: Any = [{"text": ["섬", "감기"]}, {"text": ["shares"]}]
    about: Any = {"task_metadata": None, "hf_split": "test", "hf_subset": "x"}
    with Embedder(variant="onnx-int8") as embedder:
        encoder = OndolEncoder(embedder=embedder)
        assert isinstance(encoder, EncoderProtocol)
        for role, prompt in (
            (PromptType.query, "query: "),
            (PromptType.document, "passage: "),
            (None, "query: "),
        ):
            found = encoder.encode(batches, prompt_type=role, show_progress_bar=False, **about)
            expected = embedder.encode([prompt + text for text in ("섬", "감기", "shares")])
            assert np.array_equal(found, expected), role
            assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_results_are_filed_under_the_bundle_its_variant_and_its_checksum(tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    copy.symlink_to(default_bundle())
    meta = OndolEncoder(copy, variant="onnx-int8", threads=1).mteb_model_meta
    assert meta.name == "ondol/default_bundle-onnx-int8", "a link is its target"
    assert sha256_of(copy / "ondol.json").startswith(meta.revision)
    assert (meta.embed_dim, meta.max_tokens) == (384, 512)
