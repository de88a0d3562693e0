"""The parity that a bundle's manifest states, variant by variant.

    python benchmarks/parity_table.py BUNDLE

`ondol build` measured it on the bundle's reference texts; `ondol verify BUNDLE` measures it again.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from record import write_record

from ondol.cli.table import emit, format_table
from ondol.errors import OndolError
from ondol.manifest import Manifest


def parity(manifest: Manifest) -> dict[str, Any]:
    """What the bundle is, and one record per variant."""
    return {
        "layers": manifest.architecture.layers,
        "rows": manifest.vocabulary.rows,
        "texts": manifest.variants[0].vector_parity.texts,
        "reference": manifest.reference.engine,
        "tokenizer_bytes": manifest.tokenizer.bytes,
        "segmentation": manifest.vocabulary.fidelity,
        "variants": [
            {
                "name": record.name.value,
                "bytes": record.bytes,
                "mean_cosine": record.vector_parity.mean_cosine,
                "min_cosine": record.vector_parity.min_cosine,
                "max_abs_difference": record.vector_parity.max_abs_difference,
                "floor": record.vector_parity.floor,
                "tensors": record.scheme.get("tensors", {}),
                "tokenizer_agreement": record.scheme.get("tokenizer_agreement"),
            }
            for record in manifest.variants
        ],
    }


def as_text(results: Mapping[str, Any]) -> str:
    """The table for the terminal."""
    columns = ("mean_cosine", "min_cosine", "max_abs_difference", "floor")
    rows = [
        (r["name"], f"{r['bytes']:,}", *(f"{r[column]:.6f}" for column in columns))
        for r in results["variants"]
    ]
    header = ("variant", "bytes", "mean cosine", "smallest", "max difference", "floor")
    return format_table(header, rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        results = parity(Manifest.read(arguments.bundle))
    except OndolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    emit(as_text(results))
    if arguments.json:
        write_record(arguments.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
