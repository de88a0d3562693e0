"""A bundle on its way to machines that do not have it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ondol.manifest import FILE_NAME
from ondol.precision import Precision
from ondol.variants import Variant

if TYPE_CHECKING:
    from ondol.runtime.embedder import Embedder


@dataclass(frozen=True)
class ShippedBundle:
    """The files that one variant needs, as references into Ray's object store.

    They reach a node's store once, however many workers it has; those map them into their memory.

    Attributes:
        files: references to (bytes,) uint8, by path in the bundle.
        variant, engine: as `ondol.Embedder` names them.
    """

    files: Mapping[str, Any]
    variant: str
    engine: str

    @classmethod
    def put(cls, ray: Any, model: "Embedder") -> "ShippedBundle":
        """Put the files of an opened bundle into the store of this node."""
        import numpy as np

        records = model.manifest.files_of([model.manifest.variant(Variant.parse(model.variant))])
        paths = [FILE_NAME, *(record.path for record in records)]
        files = {path: ray.put(np.fromfile(model.path / path, dtype=np.uint8)) for path in paths}
        return cls(files, model.variant, model.engine)

    def open(self, ray: Any, *, threads: int, precision: Precision) -> "Embedder":
        """Load it here, with all checks: of the bytes that came, and of what this processor
        computes. Raises as `ondol.Embedder`.
        """
        from ondol.runtime.embedder import Embedder

        with tempfile.TemporaryDirectory(prefix="ondol-bundle-") as folder:
            for path, reference in self.files.items():
                target = Path(folder, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                ray.get(reference).tofile(target)
            model = Embedder(folder, variant=self.variant, engine=self.engine, threads=threads)
            # Reads the ranges, if it needs them: the directory is gone afterwards, so that a
            # worker that is killed leaves nothing on the node.
            model.embed([], precision=precision.value)
        return model
