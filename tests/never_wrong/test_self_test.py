"""What a load notices when every checksum is right: faults put into the bundle in the package.

Each fault is sealed: the manifest gets the changed file's size and sha256, so that nothing but the
self-test can tell. docs/trust.md says which faults it cannot see, and what sees those.
"""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from gguf import GGUFReader
from numpy.typing import NDArray
from onnx import numpy_helper

from ondol.errors import SelfTestError
from ondol.files import sha256_of
from ondol.manifest import Manifest
from ondol.runtime import onnx_backend
from ondol.runtime.checks import least_cosine
from ondol.runtime.default import default_bundle
from ondol.runtime.embedder import Embedder
from ondol.runtime.onnx_check import check_onnx
from ondol.variants import Variant

ONNX, GGUF = "onnx/model-int8.onnx", "gguf/model-q5_0.gguf"
VARIANTS = {ONNX: "onnx-int8", GGUF: "gguf-q5_0"}

Change = Callable[[NDArray[Any]], None]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_bundle(), tmp_path / "bundle"))


def seal(bundle: Path) -> None:
    """Let the manifest state every file as it is now."""
    manifest = json.loads((bundle / "ondol.json").read_text("utf-8"))
    listed = [manifest["tokenizer"], *manifest["reference"].values(), *manifest["variants"]]
    for record in listed:
        if isinstance(record, dict):
            path = bundle / record["path"]
            record |= {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    (bundle / "ondol.json").write_text(json.dumps(manifest), encoding="utf-8")


def refused(bundle: Path, file: str) -> bool:
    """Whether the self-test alone refuses the sealed bundle."""
    seal(bundle)
    Embedder(bundle, variant=VARIANTS[file], threads=1, check="off").close()
    try:
        Embedder(bundle, variant=VARIANTS[file], threads=1, check="full").close()
    except SelfTestError:
        return True
    return False


def flip(byte: int, bits: int) -> Change:
    def change(values: NDArray[Any]) -> None:
        values.reshape(-1).view(np.uint8)[byte] ^= bits

    return change


def move_rows(values: NDArray[Any]) -> None:
    """Every position gets the row of the next one."""
    values[:] = np.roll(values, -1, axis=0)


def change_onnx(bundle: Path, changes: dict[str, Change]) -> None:
    model = onnx.load(bundle / ONNX)
    for tensor in model.graph.initializer:
        if tensor.name in changes:
            values = numpy_helper.to_array(tensor).copy()
            changes.pop(tensor.name)(values)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    assert not changes
    onnx.save(model, bundle / ONNX)


@cache  # it reads the whole vocabulary, which takes seconds
def gguf_tensors() -> dict[str, Any]:
    return {tensor.name: tensor for tensor in GGUFReader(default_bundle() / GGUF).tensors}


def change_gguf(bundle: Path, name: str, change: Change) -> None:
    tensor = gguf_tensors()[name]
    values = np.memmap(
        bundle / GGUF, tensor.data.dtype, "r+", tensor.data_offset, tensor.data.shape
    )
    change(values)
    values.flush()


def test_nothing_is_refused_without_a_fault(bundle: Path) -> None:
    assert not refused(bundle, ONNX)
    assert not refused(bundle, GGUF)


@pytest.mark.parametrize(
    ("name", "byte", "bits"),
    [
        # The highest bit of an exponent: one channel is 2**64 times as large or as small.
        ("layer0.qkv0.scales", 3, 0x40),
        ("layer3.qkv0.scales", 3, 0x40),
        ("layer5.qkv0.scales", 3, 0x40),
        # The lowest: half or twice. Of all inputs of a product, and of one channel's norm.
        ("layer3.down.scale", 2, 0x80),
        ("layer5.norm.weight", 3, 0x80),
    ],
)
def test_a_byte_of_an_onnx_file(bundle: Path, name: str, byte: int, bits: int) -> None:
    change_onnx(bundle, {name: flip(byte, bits)})
    assert refused(bundle, ONNX)


@pytest.mark.parametrize("layer", [0, 5])
@pytest.mark.parametrize(("kind", "byte"), [("weight", 1), ("bias", 3)])
def test_a_byte_of_a_gguf_file(bundle: Path, layer: int, kind: str, byte: int) -> None:
    """An exponent of a block's float16 scale, and of a float32 bias."""
    change_gguf(bundle, f"blk.{layer}.ffn_down.{kind}", flip(byte, 0x40))
    assert refused(bundle, GGUF)


def test_one_weight_of_the_millions_is_below_the_noise(bundle: Path) -> None:
    """So it is: quantizing moved every one of them. The sha256 notices (test_checks.py)."""
    change_onnx(bundle, {"layer3.down0.values": flip(0, 0x80)})
    assert not refused(bundle, ONNX)


@pytest.mark.parametrize("file", VARIANTS)
def test_a_tokenizer_of_the_same_size(bundle: Path, file: str) -> None:
    """Neighbours among the ordinary pieces have changed places."""
    path = bundle / "tokenizer.json"
    tokenizer = json.loads(path.read_text("utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    for index in range(4, len(vocabulary) - 2, 2):
        vocabulary[index : index + 2] = vocabulary[index + 1], vocabulary[index]
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    assert refused(bundle, file)


@pytest.mark.parametrize(("file", "pooling"), [(ONNX, "cls"), (GGUF, "lasttoken")])
def test_another_pooling(bundle: Path, file: str, pooling: str) -> None:
    manifest = json.loads((bundle / "ondol.json").read_text("utf-8"))
    (bundle / "ondol.json").write_text(json.dumps(manifest | {"pooling": pooling}))
    assert refused(bundle, file)


def test_positions_that_are_off_by_one(bundle: Path) -> None:
    change_onnx(bundle, {"positions.values": move_rows, "positions.scales": move_rows})
    assert refused(bundle, ONNX)
    change_gguf(bundle, "position_embd.weight", move_rows)
    assert refused(bundle, GGUF)


def test_a_prompt_that_is_missing_is_not_seen(bundle: Path) -> None:
    """The reference texts hold their prompts, and any text may be a prompt. What a search index
    or a client compares is the identity.
    """
    manifest = json.loads((bundle / "ondol.json").read_text("utf-8"))
    (bundle / "ondol.json").write_text(json.dumps(manifest | {"prompts": {}}))
    assert not refused(bundle, ONNX)
    with (
        Embedder(bundle, variant="onnx-int8", check="off") as without,
        Embedder(variant="onnx-int8", check="off") as model,
    ):
        assert without.identity["prompts"] != model.identity["prompts"]
        assert without.encode_query("a").tobytes() == model.encode("a").tobytes()


@pytest.mark.parametrize(("bits", "wrong"), [(16, True), (17, False)])
def test_products_of_bytes_that_are_clipped(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, bits: int, wrong: bool
) -> None:
    """As x86 without VNNI gives them (ondol.runtime.int8_products). One more bit clips nothing."""
    model = onnx.load(bundle / ONNX)
    clip_products(model.graph, bits)
    onnx.save(model, bundle / ONNX)
    # The simulation has operators that no file of ours has.
    checked = check_onnx(default_bundle() / ONNX)
    monkeypatch.setattr(onnx_backend, "check_onnx", lambda path: checked)
    assert refused(bundle, ONNX) is wrong


def clip_products(graph: Any, bits: int) -> None:
    """Replace every Gemm of bytes by one in float32 whose pairs of products are clipped.

    Activations (tokens, inputs) uint8, weights (inputs, outputs) int8: VPMADDUBSW adds the products
    of inputs 2i and 2i + 1, and clips the sum to 16 bits.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    scaled = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    nodes = []
    for node in graph.node:
        if node.op_type != "Gemm" or not all(name in scaled for name in node.input):
            nodes.append(node)
            continue
        states, weights, bias = (scaled[name] for name in node.input)
        scale, zero = (constants[name].astype(np.float32) for name in states.input[1:])
        values, scales = (constants[name].astype(np.float32) for name in weights.input[:2])
        biases = (constants[bias.input[0]] * constants[bias.input[1]]).astype(np.float32)
        inputs, outputs = values.shape
        name = f"{node.output[0]}.clipping"
        new = {
            f"{name}.pairs": np.array([0, inputs // 2, 2, 1], np.int64),
            f"{name}.weights": values.reshape(1, inputs // 2, 2, outputs),
            f"{name}.low": np.float32(-(2 ** (bits - 1))),
            f"{name}.high": np.float32(2 ** (bits - 1) - 1),
            f"{name}.pair_axis": np.array([2], np.int64),
            f"{name}.sum_axis": np.array([1], np.int64),
            f"{name}.zero_sums": zero * values.sum(axis=0),
            f"{name}.scales": scale * scales,
            f"{name}.biases": biases,
        }
        graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in new.items())
        steps = [
            ("Cast", [states.input[0]], "bytes", {"to": onnx.TensorProto.FLOAT}),
            ("Reshape", ["bytes", "pairs"], "paired", {}),
            ("Mul", ["paired", "weights"], "products", {}),
            ("ReduceSum", ["products", "pair_axis"], "sums", {"keepdims": 0}),
            ("Clip", ["sums", "low", "high"], "clipped", {}),
            ("ReduceSum", ["clipped", "sum_axis"], "whole", {"keepdims": 0}),
            ("Sub", ["whole", "zero_sums"], "centred", {}),
            ("Mul", ["centred", "scales"], "scaled", {}),
            ("Add", ["scaled", "biases"], "", {}),
        ]
        for operator, sources, result, attributes in steps:
            full = [s if s == states.input[0] else f"{name}.{s}" for s in sources]
            target = f"{name}.{result}" if result else node.output[0]
            nodes.append(onnx.helper.make_node(operator, full, [target], **attributes))
    del graph.node[:]
    graph.node.extend(nodes)


def test_a_load_is_held_to_what_the_build_measured() -> None:
    """Floors leave room for other checkpoints; this file is known to be better."""
    parity = Manifest.read(default_bundle()).variant(Variant.ONNX_INT8).vector_parity
    assert parity.floor < least_cosine(parity) < parity.min_cosine
