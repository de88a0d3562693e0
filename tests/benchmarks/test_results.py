"""Results survive the way through JSON; anything else is refused with a reason."""

import json

import pytest

from ondol.benchmarks.results import BenchReport
from ondol.errors import InputError


def test_json_and_back_is_the_same(report: BenchReport) -> None:
    assert BenchReport.from_json(report.to_json()) == report


def test_names_in_json_are_the_public_ones(report: BenchReport) -> None:
    variants = json.loads(report.to_json())["variants"]
    assert [v["name"] for v in variants] == ["onnx-int8", "gguf-q8_0", "onnx-fp32"]
    assert [v["status"] for v in variants] == ["ok", "skipped", "not finished"]


def test_another_schema_is_refused(report: BenchReport) -> None:
    content = json.loads(report.to_json()) | {"schema_version": 99}
    with pytest.raises(InputError, match="schema_version 99, expected 1"):
        BenchReport.from_json(json.dumps(content))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 1, "variants": [{}]}'])
def test_something_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected what `ondol bench --json` prints"):
        BenchReport.from_json(text)
