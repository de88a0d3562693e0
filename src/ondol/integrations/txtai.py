"""txtai: a vectors backend, named by its path in the configuration.

embeddings = txtai.Embeddings(
    method="ondol.integrations.txtai.OndolVectors",
    path="path/to/bundle",                                  # none: the bundle inside the package
    vectors={"variant": "onnx-int8", "threads": 2},         # if need be
)
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ondol.integrations.extras import library
from ondol.integrations.opening import TextEmbedder, open_embedder
from ondol.integrations.source import BundleSource

with library("txtai", package="txtai", extra="txtai"):
    from txtai.vectors import Vectors


class OndolVectors(Vectors):
    """What is indexed gets the bundle's document prompt, what is searched for its query prompt.

    txtai makes it of a configuration, which it stores with the index: `path` is the bundle,
    `vectors` may hold `variant` and `threads`. Leave `instructions` out: the prompts are here.

    Raises what `ondol.Embedder` raises, and TypeError for other settings in `vectors`; txtai wraps
    either in an ImportError.
    """

    def loadmodel(self, path: str | None) -> TextEmbedder:
        """The Embedder of a bundle."""
        return open_embedder(BundleSource.of(path, **self.config.get("vectors", {})))

    def encode(
        self, data: list[str], category: Literal["query", "data"] | None = None
    ) -> NDArray[np.float32]:
        """(len(data), dim) float32 of L2 norm 1. Raises as `Embedder.encode`."""
        encode = self.model.encode_document if category == "data" else self.model.encode_query
        vectors: NDArray[np.float32] = encode(data, batch_size=self.encodebatch)
        return vectors
