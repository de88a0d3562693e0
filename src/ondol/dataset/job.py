"""What is asked of every partition, as plain values that can go to another process."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ondol.dataset.vectors import IdType, VectorType


@dataclass(frozen=True)
class Job:
    """The settings of a run.

    Attributes:
        out: URL of the output folder.
        column: of the input, with the texts.
        id_column: of the input; None makes ids of file names and numbers.
        ids: type of the output's ids.
        vectors: type of the output's vectors.
        dimension: of the model's vectors.
        prompt: before every text; may be empty.
        prompts: of the bundle, none of which a text should bring along; empty without a prompt.
        variant: of the bundle; other ones differ in their last bits and more.
        engine: that runs it, for the same reason.
        identity: of the bundle, as `ondol.Embedder.identity`.
    """

    out: str
    column: str
    id_column: str | None
    ids: IdType
    vectors: VectorType
    dimension: int
    prompt: str
    prompts: tuple[str, ...]
    variant: str
    engine: str
    identity: Mapping[str, str]

    def settings(self) -> Mapping[str, Any]:
        """For JSON: all on which the output's bytes depend, besides the input."""
        return {
            "column": self.column,
            "id_column": self.id_column,
            "ids": self.ids.value,
            "precision": self.vectors.value,
            "prompt": self.prompt,
            "variant": self.variant,
            "engine": self.engine,
            "identity": dict(self.identity),
        }
