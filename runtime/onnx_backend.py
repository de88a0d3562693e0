"""onnxruntime behind the backend seam."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from ondol.errors import BundleError, ClosedError, EngineError
from ondol.runtime.backend import Output, split_outputs
from ondol.runtime.int8_products import make_products_exact
from ondol.runtime.lone_calls import LoneCalls
from ondol.runtime.onnx_check import check_onnx


class OnnxBackend:
    """An ONNX encoder on the CPU. See `ondol.runtime.backend.Backend`.

    One session runs on the threads of its callers, each run on one, and all share its weights. A
    call that is alone and long enough gets a second session, with threads of its own, which holds
    the weights once more (see LoneCalls).

    Args:
        threads: of all runs together, and of one that is alone.
        max_batch_tokens: see Backend; 0 for graphs that scale activations over the whole batch.

    Raises BundleError if the file is none of ours, or onnxruntime cannot load it.
    """

    equal_lengths = True

    def __init__(self, path: Path, *, threads: int, max_batch_tokens: int) -> None:
        encoder = check_onnx(path)
        session = _open(path, threads=1)
        self._path = path
        self.parallel_runs = threads
        self.vocab_rows = encoder.vocab_rows
        self.columns = encoder.columns
        self.positions = encoder.positions
        self.max_batch_tokens = max_batch_tokens
        self._lock = threading.Lock()
        self._session: onnxruntime.InferenceSession | None = session
        self._wide_session: onnxruntime.InferenceSession | None = None
        self._lone_calls = LoneCalls(threads)

    def outputs(self, sequences: Sequence[Sequence[int]], *, alone: bool = False) -> list[Output]:
        ids = np.asarray(sequences, dtype=np.int64)  # (texts, tokens)
        session = self._session_for(ids.size, alone=alone)
        try:
            (states,) = session.run(None, {"input_ids": ids})
        except Exception as error:  # onnxruntime raises bare pybind exceptions
            raise EngineError(f"onnxruntime could not run {ids.shape} tokens: {error}") from error
        return split_outputs(states, ids.shape, self.columns, "onnxruntime")

    def close(self) -> None:
        # A run holds its session until it ends.
        with self._lock:
            self._session = self._wide_session = None

    def _session_for(self, tokens: int, *, alone: bool) -> onnxruntime.InferenceSession:
        with self._lock:
            if self._session is None:
                raise ClosedError("the model was closed; open it again")
            if not self._lone_calls.get_all_threads(tokens, alone=alone):
                return self._session
            if self._wide_session is None:
                self._wide_session = _open(self._path, threads=self.parallel_runs)
            return self._wide_session


def _open(path: Path, *, threads: int) -> onnxruntime.InferenceSession:
    """Raises BundleError if onnxruntime refuses the file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; they also come as exceptions
    # A memory pattern per shape would be remembered, and texts have hundreds of lengths.
    options.enable_mem_pattern = False
    # A thread that spins keeps a core from whoever shares the machine, and with one of two cores
    # busy it makes a run 1.7 times slower; on an idle machine it would save a fifth.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    make_products_exact(options)
    try:
        return onnxruntime.InferenceSession(
            path, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises bare pybind exceptions
        raise BundleError(f"onnxruntime cannot load {path}: {error}") from error
