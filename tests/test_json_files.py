"""JSON that Python's reader would take, or choke on, is one kind of error."""

from pathlib import Path

import pytest

from ondol.json_files import read_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "too deep"),
        ("9" * 5000, "digits"),
        ('{"a": 1, "a": 2}', "'a' twice"),
        ("[NaN]", "NaN is no JSON number"),
        ("[1e999]", "no float holds"),
        ('"' + "a" * 200_000 + '"', "more than 150,000 bytes"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_json(path, max_bytes=150_000)
