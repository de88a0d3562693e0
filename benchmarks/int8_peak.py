"""The processor's int8 peak: billions of operations per second of large integer products.

One product of unsigned and signed bytes in onnxruntime (MatMulInteger, the kernels of its quantized
graphs), at several sizes, the best of which counts: what a quantized encoder could reach if it did
nothing but its matrix products. A product and a sum are two operations.
"""

import time
from collections.abc import Sequence

import numpy as np
import onnxruntime
from peers.in_process import load_peer

#: Rows of activations, and the two sides of a weight matrix.
SIZES = ((256, 384, 1536), (512, 1536, 384), (1024, 1536, 1536), (2048, 1536, 1536))

#: Seconds at each size.
BUDGET = 0.5


def int8_peak(threads: int) -> float:
    """Billions of operations per second on so many threads."""
    return max(_operations(size, threads) for size in SIZES) / 1e9


def _operations(size: Sequence[int], threads: int) -> float:
    rows, inner, columns = size
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        _product(inner, columns), options, providers=["CPUExecutionProvider"]
    )
    feeds = {"a": np.random.default_rng(0).integers(0, 256, (rows, inner), dtype=np.uint8)}
    session.run(None, feeds)
    fastest = float("inf")
    end = time.perf_counter() + BUDGET
    while (start := time.perf_counter()) < end:
        session.run(None, feeds)
        fastest = min(fastest, time.perf_counter() - start)
    return 2 * rows * inner * columns / fastest


def _product(inner: int, columns: int) -> bytes:
    """An ONNX graph with one MatMulInteger of `a` and a constant."""
    onnx = load_peer("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    weights = np.random.default_rng(1).integers(-127, 128, (inner, columns), dtype=np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", kinds.UINT8, ["rows", inner])],
        [helper.make_tensor_value_info("c", kinds.INT32, ["rows", columns])],
        [onnx.numpy_helper.from_array(weights, "b")],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    content: bytes = model.SerializeToString()
    return content
