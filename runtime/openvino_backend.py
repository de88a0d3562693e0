"""OpenVINO behind the backend seam: the same ONNX files, faster on some processors."""

import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ondol.errors import (
    AgreementError,
    BundleError,
    ClosedError,
    EngineError,
    MissingDependencyError,
)
from ondol.runtime.backend import Output, split_outputs
from ondol.runtime.lone_calls import LoneCalls
from ondol.runtime.onnx_check import check_onnx
from ondol.runtime.openvino_graph import read_encoder, vocab_rows

if TYPE_CHECKING:
    import openvino

#: Compiled models of this process, for good. After OpenVINO 2026.4 had freed some, later uses of
#: the heap ended the process (tests/runtime/test_batch_invariance.py before test_runner.py shows
#: it; the heap then holds read-only pages). The cause is not known, so nothing with kernels is ever
#: freed.
_KEPT: list[object] = []
#: Kernels that OpenVINO remembers; it would free the oldest beyond that. 512 lengths in some batch
#: sizes make about 100 each.
_REMEMBERED = 1_000_000

#: Largest values of a row and a column, long and wide enough for any kernel's main loop.
_ROWS, _INNER, _COLUMNS = 4, 64, 16


class OpenVinoBackend:
    """An ONNX encoder on the CPU, run by OpenVINO. See `ondol.runtime.backend.Backend`.

    Runs go to streams of one thread each, which share the weights. A call that is alone and long
    enough gets a model compiled for all threads (see LoneCalls). Memory grows with every shape of
    input that is new, about 12 MB for e5-small, and is not given back before the process ends.

    Args:
        threads: of all runs together, and of one that is alone.
        max_batch_tokens: see Backend.
        exact: compute in float32 what is not in integers. Otherwise OpenVINO takes bfloat16 where
            the processor multiplies it (its default), which moves vectors by less than rounding to
            integers did.

    Raises BundleError if OpenVINO cannot load the file, MissingDependencyError if it is not
    installed, EngineError if it would clip products of bytes on this processor.
    """

    equal_lengths = True

    def __init__(self, path: Path, *, threads: int, max_batch_tokens: int, exact: bool) -> None:
        openvino = _import()
        if not exact and not products_are_exact():
            # Its low-precision passes cannot be told to store weights unsigned, as onnxruntime can.
            raise EngineError(
                "openvino clips products of unsigned and signed bytes on this processor, which "
                "has no VNNI; use the engine onnxruntime"
            )
        encoder = check_onnx(path)
        self.columns = encoder.columns
        self.positions = encoder.positions
        self._core = openvino.Core()
        self._model = read_encoder(self._core, path)
        try:
            rows = vocab_rows(self._model)
        except RuntimeError as error:
            raise BundleError(f"openvino cannot load {path}: {error}") from error
        if rows is None:
            raise BundleError(f"{path} has no word embedding; expected a file that ondol built")
        self.vocab_rows = rows
        self._path = path
        self.parallel_runs = threads
        self._exact = exact
        self.max_batch_tokens = max_batch_tokens
        self._lock = threading.Lock()
        self._narrow: _Requests | None = self._compile(streams=threads)
        self._wide: _Requests | None = None
        self._lone_calls = LoneCalls(threads)

    def outputs(self, sequences: Sequence[Sequence[int]], *, alone: bool = False) -> list[Output]:
        ids = np.asarray(sequences, dtype=np.int64)  # (texts, tokens)
        # OpenVINO would read outside the table.
        if ids.min() < 0 or ids.max() >= self.vocab_rows:
            raise AgreementError(
                f"token ids go from {ids.min()} to {ids.max()}, but {self._path} has rows 0 to "
                f"{self.vocab_rows - 1}; tokenizer and model are from different builds"
            )
        requests = self._requests_for(ids.size, alone=alone)
        try:
            states = requests.run(ids)
        except RuntimeError as error:  # what OpenVINO's own exceptions become
            raise EngineError(f"openvino could not run {ids.shape} tokens: {error}") from error
        return split_outputs(states, ids.shape, self.columns, "openvino")

    def close(self) -> None:
        # A run holds its model until it ends.
        with self._lock:
            self._narrow = self._wide = None

    def _requests_for(self, tokens: int, *, alone: bool) -> "_Requests":
        with self._lock:
            if self._narrow is None:
                raise ClosedError("the model was closed; open it again")
            if not self._lone_calls.get_all_threads(tokens, alone=alone):
                return self._narrow
            if self._wide is None:
                self._wide = self._compile(streams=1)
            return self._wide

    def _compile(self, *, streams: int) -> "_Requests":
        """Raises BundleError if OpenVINO refuses the graph."""
        options: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": self.parallel_runs,
            "NUM_STREAMS": streams,
            "CPU_RUNTIME_CACHE_CAPACITY": str(_REMEMBERED),
            # Who shares the machine may move its threads; pinned ones would wait behind another's.
            "ENABLE_CPU_PINNING": False,
        }
        if self._exact:
            options["INFERENCE_PRECISION_HINT"] = "f32"
        try:
            requests = _Requests(self._core.compile_model(self._model, "CPU", options))
        except RuntimeError as error:
            raise BundleError(f"openvino cannot compile {self._path}: {error}") from error
        _KEPT.append(requests)
        return requests


class _Requests:
    """A compiled model with as many of its requests as run at once; each holds its buffers."""

    def __init__(self, model: "openvino.CompiledModel") -> None:
        self._model = model
        self._idle: list[openvino.InferRequest] = []

    def run(self, ids: np.ndarray) -> Any:
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._model.create_infer_request()
        result = request.infer([ids])[0]  # a copy: the buffer belongs to the next run
        self._idle.append(request)
        return result


@cache
def products_are_exact() -> bool:
    """Whether OpenVINO's product of uint8 and int8 matrices is right on this processor.

    Its kernels for processors without VNNI add two products in 16 bits (see
    `ondol.runtime.int8_products`). Raises MissingDependencyError without openvino.
    """
    openvino = _import()
    opset13 = openvino.opset13
    source = opset13.parameter([_ROWS, _INNER], np.float32)
    low, high = opset13.constant(np.float32(0)), opset13.constant(np.float32(255))
    bytes_ = opset13.fake_quantize(source, low, high, low, high, 256)
    weight = opset13.constant(np.full((_INNER, _COLUMNS), 127, np.int8))
    scaled = opset13.multiply(opset13.convert(weight, np.float32), opset13.constant(np.float32(1)))
    product = opset13.matmul(bytes_, scaled, transpose_a=False, transpose_b=False)
    model = openvino.Model([product], [source], "u8s8")
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    _KEPT.append(compiled)
    result = compiled([np.full((_ROWS, _INNER), 255, np.float32)])[0]
    return bool((result == _INNER * 255 * 127).all())


def _import() -> Any:
    try:
        import openvino
        import openvino.opset13
    except ImportError as error:
        raise MissingDependencyError("the engine openvino", "openvino", "openvino") from error
    return openvino
