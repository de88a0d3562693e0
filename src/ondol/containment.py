"""Files of a bundle lie inside its directory, also behind symbolic links."""

import os
from pathlib import Path

from ondol.errors import ManifestError


def check_inside(bundle: Path, name: str) -> None:
    """A file of a bundle, by its path relative to the directory, if it is there at all.

    The hub's cache is the one place where files of a bundle are links that lead outside: from
    `snapshots/COMMIT` into `blobs` beside it
    (huggingface.co/docs/huggingface_hub/guides/manage-cache).

    Raises ManifestError if it leads anywhere else, or to something that is no regular file.
    """
    path = bundle / name
    if not os.path.lexists(path):
        return
    try:
        found, root = path.resolve(strict=True), bundle.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        raise ManifestError(f"{path} leads nowhere: {error}; copy the bundle again") from error
    inside = found.is_relative_to(root)
    in_cache = root.parent.name == "snapshots" and found.parent == root.parent.parent / "blobs"
    if not (inside or in_cache):
        raise ManifestError(
            f"{path} is a link to {found}, outside of the bundle; a bundle's files lie inside its "
            "directory: copy them there"
        )
    if not found.is_file():
        raise ManifestError(f"{path} is not a regular file; copy the bundle again")
