"""onnxruntime behind the backend seam."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from ondol.errors import BundleError, ClosedError, EngineError
from ondol.runtime.backend import TokenStates

#: Under this key of the ONNX file's own metadata the converter notes the rows that it wrote.
VOCAB_ROWS_KEY = "ondol.vocab_rows"


class OnnxBackend:
    """An ONNX encoder on the CPU. See `ondol.runtime.backend.Backend`.

    Args:
        threads: of one run.
        max_batch_tokens: see Backend; 0 for graphs that scale activations over the whole batch.

    Raises BundleError if onnxruntime cannot load the file or it is none of ours.
    """

    equal_lengths = True

    def __init__(self, path: Path, *, threads: int, max_batch_tokens: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only; they also come as exceptions
        try:
            session = onnxruntime.InferenceSession(
                path, sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises bare pybind exceptions
            raise BundleError(f"onnxruntime cannot load {path}: {error}") from error
        stated = session.get_modelmeta().custom_metadata_map.get(VOCAB_ROWS_KEY, "")
        if not stated.isdigit():
            raise BundleError(
                f"{path} does not state its vocabulary rows ({VOCAB_ROWS_KEY}); expected a file "
                "written by `ondol build`"
            )
        self._vocab_rows = int(stated)
        self._inputs = [item.name for item in session.get_inputs()]
        (output,) = session.get_outputs()
        self._hidden_size = int(output.shape[-1])
        self._max_batch_tokens = max_batch_tokens
        self._session: onnxruntime.InferenceSession | None = session

    @property
    def vocab_rows(self) -> int:
        return self._vocab_rows

    @property
    def hidden_size(self) -> int:
        return self._hidden_size

    @property
    def max_batch_tokens(self) -> int:
        return self._max_batch_tokens

    def token_states(self, sequences: Sequence[Sequence[int]]) -> list[TokenStates]:
        session = self._session  # a close() from another thread must not free it under this run
        if session is None:
            raise ClosedError("the model was closed; open it again")
        ids = np.asarray(sequences, dtype=np.int64)  # (texts, tokens)
        feeds = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        try:
            (states,) = session.run(None, {name: feeds[name] for name in self._inputs})
        except Exception as error:  # onnxruntime raises bare pybind exceptions
            raise EngineError(f"onnxruntime could not run {ids.shape} tokens: {error}") from error
        return list(states)  # (texts, tokens, hidden_size), one view per text

    def close(self) -> None:
        self._session = None
