"""JSON that came from elsewhere: read within bounds, one kind of error for whatever is wrong."""

import json
from pathlib import Path
from typing import Any, NoReturn


def read_json(path: Path, *, max_bytes: int) -> Any:
    """The value in a UTF-8 file.

    max_bytes: of the file; Python's objects for it take about twenty times as much memory.

    Raises OSError if it is no regular file or cannot be opened, and ValueError if it is larger, is
    no UTF-8 or no JSON, nests too deep, has a number that no float holds or an object with one name
    twice. RFC 8259 leaves open what the latter two mean; Python's reader would take both.
    """
    if not path.is_file():
        # Opening a named pipe would wait for its writer for ever.
        raise FileNotFoundError(f"{path} is not a file")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it has more than {max_bytes:,} bytes")
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise ValueError("it nests too deep") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the name {twice!r:.80} twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"no float holds {text:.80}")
    return value
