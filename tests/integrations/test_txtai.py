"""txtai's own index, saved and loaded."""

from pathlib import Path

import numpy as np
import pytest

txtai = pytest.importorskip(
    "txtai", reason="needs txtai, which the extra dev brings", exc_type=ImportError
)

from ondol import Embedder
from ondol.integrations.txtai import OndolVectors
from ondol.runtime.default import default_bundle

METHOD = "ondol.integrations.txtai.OndolVectors"


def test_texts_get_the_prompt_of_their_role() -> None:
    vectors = OndolVectors({"vectors": {"variant": "onnx-int8", "threads": 1}}, None, None)
    with Embedder(variant="onnx-int8", threads=1) as model:
        found = vectors.batchtransform([(None, "섬", None)])
        np.testing.assert_allclose(found, model.encode(["query: 섬"]), atol=1e-6)
        found = vectors.batchtransform([(None, "섬", None)], category="data")
        np.testing.assert_allclose(found, model.encode(["passage: 섬"]), atol=1e-6)


def test_an_index_finds_the_answer_also_when_loaded(
    tmp_path: Path, texts: list[str], question: tuple[str, str]
) -> None:
    query, answer = question
    index = txtai.Embeddings(
        method=METHOD, path=str(default_bundle()), vectors={"variant": "onnx-int8"}, content=True
    )
    index.index(texts)
    assert [found["text"] for found in index.search(query, 1)] == [answer]
    index.save(str(tmp_path / "index"))
    index.close()

    loaded = txtai.Embeddings()
    loaded.load(str(tmp_path / "index"))
    assert [found["text"] for found in loaded.search(query, 1)] == [answer]
    assert isinstance(loaded.model, OndolVectors)
    loaded.close()


def test_without_a_path_it_is_the_bundle_inside_the_package(texts: list[str]) -> None:
    index = txtai.Embeddings(method=METHOD, backend="numpy")
    index.index(texts)
    assert index.config["dimensions"] == 384
    index.close()


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(ImportError) as caught:
        txtai.Embeddings(method=METHOD, vectors={"varient": "onnx-int8"})
    assert "varient" in str(caught.value.__cause__)
