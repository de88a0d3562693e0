"""Bytes on disk of an installation, package by package, and what an extra adds to it.

    python benchmarks/install_size.py [EXTRA...] [--constraint FILE] [--json FILE]

The project is installed into a fresh virtual environment, once without extras and once for each
EXTRA, as pip does it: compiled Python files count, pip and setuptools do not. Everything comes from
the package index, so this needs a network, or pip's cache.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from record import write_record

from ondol.benchmarks.tables import Table
from ondol.cli.table import emit, format_table

ROOT = Path(__file__).resolve().parents[1]

#: Of the environment itself.
_TOOLS = {"pip", "setuptools"}


def measure(extra: str | None, constraints: Sequence[Path], work: Path) -> dict[str, Any]:
    """Install the project with an extra into `work`, an empty directory.

    Returns {"extra", "seconds" of pip, "packages": [{"name", "version", "bytes"}, …]}, the largest
    package first. Raises OSError with pip's last words if it fails.
    """
    venv.create(work, with_pip=True)
    (site,) = work.glob("[Ll]ib/**/site-packages")
    python = work / ("Scripts" if os.name == "nt" else "bin") / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for file in constraints:
        command += ["--constraint", str(file)]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, f"{ROOT}[{extra}]" if extra else str(ROOT)], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise OSError(f"pip cannot install {extra or 'ondol'}: {done.stderr.strip()[-300:]}")
    return {
        "extra": extra,
        "seconds": time.perf_counter() - start,
        "packages": installed_sizes(site),
    }


def installed_sizes(site: Path) -> list[dict[str, Any]]:
    """{"name", "version", "bytes"} of every distribution in a site-packages folder but pip and
    setuptools, the largest first.
    """
    found = [
        {"name": one.name, "version": one.version, "bytes": _bytes(one)}
        for one in distributions(path=[str(site)])
        if one.name not in _TOOLS
    ]
    return sorted(found, key=lambda one: (-one["bytes"], one["name"]))


def _bytes(distribution: Distribution) -> int:
    # The record of an installed wheel lists every file, compiled ones too.
    paths = {Path(str(file.locate())) for file in distribution.files or ()}
    return sum(path.stat().st_size for path in paths if path.is_file())


def packages_table(measured: dict[str, Any]) -> Table:
    """An installation's packages, the largest first, and their sum."""
    packages = measured["packages"]
    rows = [(one["name"], one["version"], f"{one['bytes']:,}") for one in packages]
    total = ("together", "", f"{sum(one['bytes'] for one in packages):,}")
    return Table("the run-time packages", ("package", "version", "bytes"), (*rows, total))


def extras_table(results: Sequence[dict[str, Any]]) -> Table:
    """What each extra adds to the installation without any, which is the first result."""
    base = {one["name"] for one in results[0]["packages"]}
    rows = []
    for measured in results[1:]:
        added = [one for one in measured["packages"] if one["name"] not in base]
        megabytes = sum(one["bytes"] for one in added) / 1e6
        rows.append((measured["extra"], f"{len(added)}", f"{megabytes:,.0f}"))
    return Table(
        "what an extra adds to the run-time packages", ("extra", "packages", "MB"), tuple(rows)
    )


def main() -> int:
    """The exit code: 1 if pip fails, else 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("extras", nargs="*", metavar="EXTRA")
    parser.add_argument("--constraint", type=Path, action="append", default=[], metavar="FILE")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    results: list[dict[str, Any]] = []
    for extra in (None, *options.extras):
        print(f"installing {extra or 'without extras'}", file=sys.stderr, flush=True)
        try:
            with tempfile.TemporaryDirectory() as work:
                results.append(measure(extra, options.constraint, Path(work)))
        except OSError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    for table in (packages_table(results[0]), extras_table(results)):
        if table.rows:
            emit(f"\n{table.caption}\n\n{format_table(table.header, table.rows)}")
    if options.json:
        write_record(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
