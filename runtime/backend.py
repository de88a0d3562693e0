"""The seam between the runtime and an engine: token ids in, what the model makes of them out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ondol.errors import EngineError

#: The last hidden states of one text: (tokens, hidden_size) float32.
TokenStates = NDArray[np.float32]

#: What a model puts out for one text, float32: an encoder its TokenStates, a reranker (columns,)
#: with one logit per label.
Output = NDArray[np.float32]

#: A call that is alone gets the other cores only from so many tokens on. With fewer, waking their
#: threads at every operator costs what they save. Milliseconds on one and on two threads: int8 in
#: onnxruntime 1.84 and 1.81 at 16 tokens, 5.6 and 4.9 at 64, 30.6 and 21.7 at 256; q8_0 in
#: llama.cpp 5.6 and 8.3 at 16, 18.2 and 14.3 at 64, 83 and 47 at 256
#: (benchmarks/thread_choices.py).
WORTH_ALL_THREADS = 32


class Backend(Protocol):
    """An engine with a model in it. Tokenizing, scheduling and pooling stand above it.

    Attributes:
        vocab_rows: rows of the word embedding, as the engine itself reports or enforces them.
        columns: of an output: hidden_size of an encoder, labels of a reranker.
        max_batch_tokens: tokens that one call takes best; a call with one text may exceed it.
            0 means that texts must be sent one by one, because the vector of a text would
            otherwise depend on its neighbours.
        equal_lengths: whether the texts of one call must all have the same number of tokens.
        parallel_runs: calls of `outputs` that may run at once, each on one thread. The caller
            bounds them; the engine does not.
    """

    @property
    def vocab_rows(self) -> int: ...

    @property
    def columns(self) -> int: ...

    @property
    def max_batch_tokens(self) -> int: ...

    @property
    def equal_lengths(self) -> bool: ...

    @property
    def parallel_runs(self) -> int: ...

    def outputs(self, sequences: Sequence[Sequence[int]], *, alone: bool = False) -> list[Output]:
        """Run the model on texts given as token ids, `<s>` and `</s>` included.

        alone: no other call runs meanwhile, so this one may use `parallel_runs` threads.

        Returns one Output per text, in the order given. Safe to call from several threads; the
        numbers are the same bits however many threads compute them.
        Raises ClosedError after close().
        """
        ...

    def close(self) -> None:
        """Free the model once running calls have ended. Calling it again does nothing."""
        ...


def split_outputs(
    outputs: NDArray[np.float32], ids: tuple[int, ...], columns: int, engine: str
) -> list[Output]:
    """The outputs of one run by text.

    outputs: (texts, tokens, columns) of an encoder, (texts, columns) of a reranker. ids: the shape
    (texts, tokens) of what was run. engine: its name, for messages.

    Returns one view per text. Raises EngineError for any other shape.
    """
    if outputs.shape not in ((*ids, columns), (ids[0], columns)):
        raise EngineError(
            f"{engine} returned {outputs.shape} for {ids} tokens, expected {(*ids, columns)}; the "
            "file is damaged: copy the bundle again"
        )
    return list(outputs)
