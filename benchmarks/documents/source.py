"""The results in benchmarks/results, and how a table is written."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ondol.benchmarks.tables import Table

RESULTS = Path(__file__).resolve().parents[1] / "results"


def record(name: str) -> dict[str, Any]:
    """One file of benchmarks/results."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def results(name: str) -> Any:
    """The numbers of one file."""
    return record(name)["results"]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], right: str) -> str:
    """A Markdown table; right: for each column "r" for flush right, else "l"."""
    lines = [header, ["---:" if side == "r" else "---" for side in right], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def machine(name: str) -> str:
    """One sentence on what a file's numbers were measured on, and with which command."""
    content = record(name)
    facts = content["machine"]
    packages = facts["packages"]
    # "16-Core Processor" tells of the whole processor, not of what this process had.
    processor = re.sub(r"\s+\d+-Core Processor", "", facts["processor"] or facts["architecture"])
    vnni = ", AVX512-VNNI" if "avx512_vnni" in facts["instructions"] else ""
    versions = ", ".join(
        f"{package} {packages[package]}" for package in ("onnxruntime", "llama-cpp-python")
    )
    return (
        f"\nMeasured on {processor}, {facts['physical_cores']} cores{vnni}; {versions}: "
        f"`{content['command']}`\n"
    )


def table_of(table: Table) -> str:
    """A table and its caption as Markdown."""
    caption = f"{table.caption[0].upper()}{table.caption[1:]}."
    aligned = "l" + "r" * (len(table.header) - 1)
    return markdown(table.header, table.rows, aligned) + f"\n{caption}\n"
