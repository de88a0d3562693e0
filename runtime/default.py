"""The bundle inside the package."""

from importlib.resources import files
from pathlib import Path

from ondol.errors import BundleNotFoundError


def default_bundle() -> Path:
    """Directory of the bundle that comes with the package.

    Raises BundleNotFoundError if the package was installed without it, or as a zip file: engines
    read files, not archives.
    """
    path = files("ondol") / "default_bundle"
    if not isinstance(path, Path) or not path.is_dir():
        raise BundleNotFoundError(
            "this installation of ondol has no default bundle; name one, or install ondol unzipped"
        )
    return path
