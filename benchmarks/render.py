"""Write the tables of the documentation, and its picture, from the results in benchmarks/results.

    python benchmarks/render.py             write them
    python benchmarks/render.py --check     change nothing; exit with 1 if a file would change

A table stands in a document between two comments:

    <!-- table: NAME -->
    <!-- end -->

Every other number in the documents belongs to a sentence that names its command.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import evidence
from documents import (
    datasets,
    encoders,
    installing,
    pruning,
    retrieval,
    searching,
    serving,
    speed,
    trust,
)
from documents.source import record, results

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    "README.md",
    "README.ko.md",
    "docs/pruning.md",
    "docs/quality.md",
    "docs/output.md",
    "docs/reranking.md",
    "docs/parity.md",
    "docs/sizes.md",
    "docs/speed.md",
    "docs/evidence.md",
    "docs/encoders.md",
    "docs/integrations.md",
    "docs/offline-app.md",
    "docs/search.md",
    "docs/server.md",
    "docs/datasets.md",
    "docs/trust.md",
)
PICTURE = "docs/fidelity.svg"
SIZE_PICTURE = "docs/size_quality.svg"
LATENCY_PICTURE = "docs/latency_quality.svg"
PAGE = "benchmarks/results/evidence.html"

_REGION = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

TABLES: Mapping[str, Callable[[], str]] = {
    **pruning.TABLES,
    **retrieval.TABLES,
    **speed.TABLES,
    **installing.TABLES,
    **encoders.TABLES,
    **searching.TABLES,
    **serving.TABLES,
    **datasets.TABLES,
    **trust.TABLES,
}


def render(document: str) -> str:
    """`document` with every region filled. Raises KeyError for a table that does not exist."""
    return _REGION.sub(
        lambda match: match[1] + "\n" + TABLES[match[2]]() + "\n" + match[3], document
    )


def expected() -> dict[str, str]:
    """What every file should contain, by its path from the root."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
    compared, measured = results("compare"), results("quality")
    commands = [record(name)["command"] for name in ("compare", "quality")]
    return {
        **{name: render(text) for name, text in texts.items()},
        PICTURE: pruning.picture(),
        SIZE_PICTURE: evidence.size_plot(compared, measured),
        LATENCY_PICTURE: evidence.latency_plot(compared, measured),
        PAGE: evidence.page(compared, measured, commands, speed.machine_line("en")),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing")
    arguments = parser.parse_args()
    code = 0
    for name, content in expected().items():
        path = ROOT / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        if arguments.check:
            print(f"{name} differs: run python benchmarks/render.py", file=sys.stderr)
            code = 1
        else:
            path.write_text(content, encoding="utf-8")
            print(f"wrote {name}")
    return code


if __name__ == "__main__":
    sys.exit(main())
