"""The seam between the runtime and an engine: token ids in, token states out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: The last hidden states of one text: (tokens, hidden_size) float32.
TokenStates = NDArray[np.float32]


class Backend(Protocol):
    """An engine with a model in it. Tokenizing, scheduling and pooling stand above it.

    Attributes:
        vocab_rows: rows of the word embedding, as the engine itself reports or enforces them.
        hidden_size: columns of the token states.
        max_batch_tokens: tokens that one call takes best; a call with one text may exceed it.
            0 means that texts must be sent one by one, because the vector of a text would
            otherwise depend on its neighbours.
        equal_lengths: whether the texts of one call must all have the same number of tokens.
    """

    @property
    def vocab_rows(self) -> int: ...

    @property
    def hidden_size(self) -> int: ...

    @property
    def max_batch_tokens(self) -> int: ...

    @property
    def equal_lengths(self) -> bool: ...

    def token_states(self, sequences: Sequence[Sequence[int]]) -> list[TokenStates]:
        """Run the encoder on texts given as token ids, `<s>` and `</s>` included.

        Returns one (tokens, hidden_size) float32 array per text, in the order given. Safe to call
        from several threads. Raises ClosedError after close().
        """
        ...

    def close(self) -> None:
        """Free the model. Calling it again does nothing."""
        ...
