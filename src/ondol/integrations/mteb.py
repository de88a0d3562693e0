"""mteb 2.x: a bundle as an encoder.

mteb.evaluate(OndolEncoder("path/to/bundle"), tasks)
"""

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ondol.files import sha256_of
from ondol.integrations.extras import library
from ondol.integrations.opening import LazyModel, open_embedder
from ondol.runtime.embedder import Embedder

with library("mteb", package="mteb", extra="mteb"):
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ScoringFunction
    from mteb.types import PromptType

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import BatchedInput
    from torch.utils.data import DataLoader


class OndolEncoder(AbsEncoder):
    """What mteb.evaluate takes as a model (mteb.models.EncoderProtocol): queries and documents with
    the bundle's prompts for them, compared by cosine.

    Its revision is a checksum of the bundle's manifest, which holds those of all files: results of
    a bundle that was built anew are not taken from those of the old one.

    Args:
        bundle, variant, threads: as for `ondol.Embedder`.
        embedder: a ready one, instead of these. Whoever made it closes it.

    Raises what `ondol.Embedder` raises.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str] | None = None,
        *,
        variant: str | None = None,
        threads: int | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self.embedder = LazyModel(open_embedder, bundle, variant, threads, embedder)()
        # mteb wants "organization/model".
        self.name = f"ondol/{self.embedder.path.resolve().name}-{self.embedder.variant}"
        self.mteb_model_meta = ModelMeta.create_empty(
            overwrites={
                "name": self.name,
                "revision": sha256_of(self.embedder.path / "ondol.json")[:16],
                "max_tokens": self.embedder.max_tokens,
                "embed_dim": self.embedder.dimension,
                "similarity_fn_name": ScoringFunction.COSINE,
                "framework": ["ONNX" if self.embedder.variant.startswith("onnx") else "GGUF"],
                "use_instructions": bool(self.embedder.prompts),
                "open_weights": True,
            }
        )

    def encode(
        self,
        inputs: "DataLoader[BatchedInput]",
        *,
        task_metadata: "TaskMetadata",
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **kwargs: Any,
    ) -> NDArray[np.float32]:
        """Vectors of all texts of `inputs`, (texts, dim) float32 with L2 norm 1.

        A text without a role counts as a query: so do the E5 model cards for everything that is not
        retrieval. Progress is shown unless mteb asks for none.
        """
        texts = [text for batch in inputs for text in batch["text"]]
        encode = (
            self.embedder.encode_document
            if prompt_type is PromptType.document
            else self.embedder.encode_query
        )
        shown = kwargs.get("show_progress_bar", True)
        return encode(texts, normalize_embeddings=True, show_progress_bar=shown)
