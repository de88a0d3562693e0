"""The file that a graph becomes: the package onnx's own bytes, without its copies."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from ondol.convert import onnx_graph
from ondol.convert.onnx_graph import OnnxGraph
from ondol.errors import ConversionError

CONSTANTS = {
    "scalar": np.float32(0.5),
    "empty": np.empty((0, 3), dtype=np.float32),
    "vector": np.arange(300, dtype=np.int64),
    "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "every second": np.arange(10, dtype=np.uint8)[::2],
    "signed": np.array([[-7, 7]], dtype=np.int8),
    "other byte order": np.arange(3, dtype=">i4"),
}


def graph_of(constants: dict[str, NDArray[Any]]) -> OnnxGraph:
    graph = OnnxGraph("sum")
    source = graph.input("x", np.float32, ["rows"])
    for name, value in constants.items():
        graph.constant(name, value)
    half = graph.constant("half", np.float32(0.5))
    graph.add("Add", [source, half], "y")
    graph.output("y", np.float32, ["rows"])
    return graph


def test_the_bytes_are_those_of_the_package_onnx(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    graph_of(CONSTANTS).save(path, {"key": "값"})
    model = onnx.load(path)
    onnx.checker.check_model(model)
    stored = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    for name, value in CONSTANTS.items():
        assert stored[name].shape == np.shape(value)
        np.testing.assert_array_equal(stored[name], value)
    assert [(item.key, item.value) for item in model.metadata_props] == [("key", "값")]
    assert model.SerializeToString(deterministic=True) == path.read_bytes()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"x": np.array([1, 2], dtype=np.float32)})
    assert result.tolist() == [1.5, 2.5]


def test_a_file_that_would_be_too_large_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    graph = graph_of(CONSTANTS)
    graph.save(path, {})
    size = path.stat().st_size
    path.unlink()
    monkeypatch.setattr(onnx_graph, "MAX_FILE_BYTES", size - 1)
    with pytest.raises(ConversionError, match=f"{size:,} bytes; .* at most {size - 1:,}"):
        graph.save(path, {})
    assert not path.exists()
    monkeypatch.setattr(onnx_graph, "MAX_FILE_BYTES", size)
    graph.save(path, {})
    assert path.stat().st_size == size
