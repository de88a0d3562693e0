"""A variant's distance to PyTorch as cells of a table: of vectors, or of a reranker's logits."""

from dataclasses import dataclass

from ondol.manifest import Parity, ScoreParity
from ondol.task import Task


@dataclass(frozen=True)
class Columns:
    """Names of a table's columns.

    Attributes:
        inputs: what was compared.
        limit: what a variant must keep.
        numbers: what `number_cells` fills; a reranker's errors are in spreads of its logits.
    """

    inputs: str
    limit: str
    numbers: tuple[str, ...]


COLUMNS = {
    Task.EMBED: Columns("texts", "floor", ("mean cosine", "min cosine", "max difference")),
    Task.RERANK: Columns(
        "pairs", "ceiling", ("correlation", "mean error", "max error", "max difference")
    ),
}


def number_cells(parity: Parity | ScoreParity) -> tuple[str, ...]:
    """The numbers, in the order of `Columns.numbers`."""
    numbers = (
        (parity.mean_cosine, parity.min_cosine)
        if isinstance(parity, Parity)
        else (parity.correlation, parity.mean_error, parity.max_error)
    )
    return (*(f"{number:.6f}" for number in numbers), f"{parity.max_abs_difference:.1e}")


def limit_cell(parity: Parity | ScoreParity) -> str:
    """The floor or the ceiling."""
    return str(parity.floor if isinstance(parity, Parity) else parity.ceiling)


def inputs_cell(parity: Parity | ScoreParity) -> str:
    """How many texts or pairs were compared."""
    return str(parity.texts if isinstance(parity, Parity) else parity.pairs)


def limited_cell(parity: Parity | ScoreParity) -> str:
    """The number that the limit holds."""
    return f"{parity.min_cosine if isinstance(parity, Parity) else parity.mean_error:.6f}"
