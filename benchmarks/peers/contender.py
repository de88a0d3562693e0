"""What a peer is, for the programs that compare."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: Takes texts, prompts included, and returns (texts, dim) float32, L2 norm 1.
Encode = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Contender:
    """One engine with one file of the model.

    Attributes:
        name: in the tables.
        module: of this package; its `load` opens the model.
        environment: a file in peers/requirements, without `.txt`; None: that of the caller.
        source: the first argument of `load`.
        files: all that the engine has to have on disk, relative to `source`: weights and tokenizer.
        packages: distributions whose versions belong to the numbers.
        options: of `load`.
    """

    name: str
    module: str
    environment: str | None
    source: Path
    files: tuple[str, ...]
    packages: tuple[str, ...]
    options: Mapping[str, str | int | bool] = field(default_factory=dict)

    def missing(self) -> list[Path]:
        """Of its files, those that are not there."""
        return [path for path in self._paths() if not path.is_file()]

    def bytes_on_disk(self) -> int:
        """Of its files together. Raises FileNotFoundError if one is missing."""
        return sum(path.stat().st_size for path in self._paths())

    def _paths(self) -> list[Path]:
        return [self.source / name for name in self.files]
