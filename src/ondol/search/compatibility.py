"""Whether a model's vectors can be compared with those of an index."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ondol.errors import IndexModelError
from ondol.search.database import connect, read_settings, reported
from ondol.search.model import Model


def check_model(path: Path, settings: Mapping[str, Any], model: Model) -> None:
    """Raises IndexModelError if the index was made with another model than this.

    Another variant of the same bundle is taken: benchmarks/search_quality.py measures what
    questions of one variant lose on passages of another.
    """
    made, found = settings["identity"], model.identity
    differences = [
        f"{name} {found.get(name, '')!r} instead of {made.get(name, '')!r}"
        for name in {**made, **found}
        if made.get(name) != found.get(name)
    ]
    if differences:
        bundle = settings["bundle"]
        made_with = f"--model {bundle}" if bundle else "the bundle inside the package (no --model)"
        raise IndexModelError(
            f"{path} holds the vectors of another model ({'; '.join(differences)}): search with "
            f"{made_with}, or make an index of this model's own with `ondol index FOLDER --db FILE`"
        )


def recorded_bundle(path: Path) -> str | None:
    """The directory of the bundle that an index was made with, if it still is there.

    None for the bundle inside the package, and for one of the hub: a search downloads nothing
    that its caller did not name.
    """
    with reported(path):
        connection = connect(path)
        try:
            bundle = read_settings(connection)["bundle"]
        finally:
            connection.close()
    return bundle if bundle is not None and Path(bundle).is_dir() else None
