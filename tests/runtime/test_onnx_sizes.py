"""Graphs whose values would not fit any memory are refused before an engine opens them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from ondol.errors import AgreementError, BundleError
from ondol.runtime.embedder import Embedder
from ondol.runtime.onnx_check import check_onnx

#: "words", the table of the tiny bundle: 17 rows of 32 columns. Its states have 24 x 32 values.
Change = Callable[[Any], None]


def add_constant(graph: Any, name: str, values: Any) -> str:
    graph.initializer.append(numpy_helper.from_array(np.array(values), name))
    return name


def doubled(source: str, axis: int) -> Change:
    def change(graph: Any) -> None:
        name = source
        for number in range(40):
            graph.node.append(
                helper.make_node("Concat", [name, name], [f"bomb{number}"], axis=axis)
            )
            name = f"bomb{number}"

    return change


def crossed(operator: str, *, of_text: bool) -> Change:
    """A column and a row of all values of a matrix."""

    def change(graph: Any) -> None:
        source = "embeddings.flat" if of_text else "words"
        for name, shape in (("column", [-1, 1]), ("row", [1, -1])):
            shape_name = add_constant(graph, f"{name}_shape", shape)
            graph.node.append(helper.make_node("Reshape", [source, shape_name], [name]))
        graph.node.append(helper.make_node(operator, ["column", "row"], ["bomb"]))
        for number in range(30):
            graph.node.append(helper.make_node("Add", ["bomb", "bomb"], [f"more{number}"]))

    return change


def repeated(graph: Any) -> None:
    indices = add_constant(graph, "indices", np.zeros(100_000, np.int64))
    graph.node.append(helper.make_node("Gather", ["words", indices], ["bomb"]))


def outside(graph: Any) -> None:
    index = add_constant(graph, "index", np.array(17))
    graph.node.append(helper.make_node("Gather", ["words", index], ["row"]))


def other_table(graph: Any) -> None:
    table = add_constant(graph, "short", np.zeros((19, 1), np.float32))
    graph.node.append(helper.make_node("Gather", [table, "input_ids"], ["rows"]))


def many_kept(graph: Any) -> None:
    """Values of which each is harmless, all read at the end."""
    names = [f"kept{number}" for number in range(12_000)]
    for name in names:
        graph.node.append(helper.make_node("Tanh", ["embeddings"], [name]))
    graph.node.append(helper.make_node("Concat", names, ["all"], axis=1))


def too_early(graph: Any) -> None:
    graph.node.insert(0, helper.make_node("Tanh", ["embeddings"], ["early"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (doubled("words", 0), "its values grow to"),
        (doubled("embeddings", 1), "its values grow to"),
        (crossed("Mul", of_text=False), "its values grow to"),
        (crossed("Gemm", of_text=False), "its values grow to"),
        (crossed("Gemm", of_text=True), "its values grow to"),
        (repeated, "sizes and indices are not known"),
        (outside, "an index is out of range"),
        (other_table, "a table of 19 rows, expected 17"),
        (many_kept, "its values grow to"),
        (too_early, "'embeddings', which is not there yet"),
    ],
)
def test_what_is_refused(tiny_bundle: Path, tmp_path: Path, change: Change, message: str) -> None:
    model = onnx.load(tiny_bundle / "onnx/model-fp32.onnx")
    change(model.graph)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match=message):
        check_onnx(tmp_path / "model.onnx")


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_every_form_of_ours_is_taken(
    tiny_bundle: Path, tiny_reranker: Path, precision: str
) -> None:
    for bundle, columns in ((tiny_bundle, 32), (tiny_reranker / "bundle", 1)):
        found = check_onnx(bundle / f"onnx/model-{precision}.onnx")
        assert (found.columns, found.positions) == (columns, 24)


def test_a_manifest_with_longer_texts_than_the_file_has_positions(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    manifest = json.loads((bundle / "ondol.json").read_text(encoding="utf-8"))
    manifest["architecture"] |= {"max_tokens": 25, "position_rows": 25}
    (bundle / "ondol.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(AgreementError, match=r"has 24 positions, but texts may have 25 tokens"):
        Embedder(bundle, variant="onnx-fp32", check="off")
