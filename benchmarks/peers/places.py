"""Where make_peers.py puts things, and why it could not."""

import json
from collections.abc import Mapping
from pathlib import Path

#: The folder of all benchmark programs; `peers` is imported from here.
BENCHMARKS = Path(__file__).resolve().parents[1]

REQUIREMENTS = Path(__file__).resolve().parent / "requirements"


def environment_names() -> list[str]:
    """Of the files in peers/requirements."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


def environment_python(peers: Path, name: str) -> Path:
    """The interpreter of an environment."""
    # Not resolved: the link itself is what tells Python that it is in an environment.
    return peers.absolute() / "environments" / name / "bin" / "python"


def reasons_file(peers: Path) -> Path:
    """Why an environment or a folder could not be made, by its name; empty if all were."""
    return peers / "reasons.json"


def read_reasons(peers: Path) -> Mapping[str, str]:
    """Of `reasons_file`. Raises FileNotFoundError if make_peers.py never ran to its end."""
    reasons: dict[str, str] = json.loads(reasons_file(peers).read_text(encoding="utf-8"))
    return reasons
