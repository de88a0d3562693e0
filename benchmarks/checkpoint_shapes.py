"""One published encoder's full shape, with random weights: prune, convert, and parity.

    python benchmarks/checkpoint_shapes.py granite-embedding-107m-multilingual \\
        --tokenizer ../shared/tokenizer/tokenizer.json --variants onnx-fp32,gguf-q8_0 \\
        --json benchmarks/results/checkpoint_shapes.json

NAME is the last part of a hub id of `published_encoders.py`. A checkpoint of that shape is written
to a temporary directory, pruned, and every variant is built from it alone, each step in a process
of its own: seconds and peak memory (ru_maxrss) are that process's. Sizes are those of the published
model. Parity holds for random weights, which have no structure that quantizing could keep: a
quantized variant may miss its floor here and not on the trained model. A build that does is shown
with what it said. FILE collects the shapes, one after the other.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from published_encoders import PUBLISHED, PublishedEncoder, write_random_checkpoint
from record import write_record

from ondol.benchmarks.process import ProcessCost, run_process
from ondol.checkpoint import Checkpoint
from ondol.cli.table import emit, format_table
from ondol.errors import OndolError
from ondol.manifest import Manifest
from ondol.variants import Variant
from ondol.vocab_prune.select import DEFAULT_SIZE

BY_NAME = {encoder.name: encoder for encoder in PUBLISHED}


def measure(
    encoder: PublishedEncoder, tokenizer: Path, rows: int, variants: Sequence[Variant], work: Path
) -> dict[str, Any]:
    """Bytes before and after the prune, and bytes, parity and cost of every variant."""
    whole, pruned = work / "whole", work / "pruned"
    _progress(f"writing {encoder.name} with random weights")
    write_random_checkpoint(encoder, tokenizer, whole)
    _progress(f"pruning to {rows:,} rows")
    cost = _ondol("prune", str(whole), "--out", str(pruned), "--vocab-size", str(rows))
    architecture = Checkpoint(pruned).architecture
    return {
        "encoder": encoder.hub_id,
        "layers": architecture.layers,
        "hidden_size": architecture.hidden_size,
        "max_tokens": architecture.max_tokens,
        "source_rows": Checkpoint(whole).architecture.vocab_rows,
        "rows": architecture.vocab_rows,
        "source_bytes": _bytes(whole),
        "pruned_bytes": _bytes(pruned),
        "prune": _as_record(cost),
        "variants": [_variant(pruned, variant, work / "bundle") for variant in variants],
    }


def _variant(pruned: Path, variant: Variant, out: Path) -> dict[str, Any]:
    """Build one variant to `out` and remove the bundle again, or say why it could not be built."""
    _progress(f"building {variant}")
    try:
        cost = _ondol(
            "build", str(pruned), "--keep-vocab", "--variants", str(variant), "--out", str(out)
        )
    except OSError as error:
        return {"name": variant.value, "problem": str(error).replace(str(pruned.parent), "")}
    record = Manifest.read(out).variant(variant)
    shutil.rmtree(out)
    return {
        "name": variant.value,
        "problem": None,
        "bytes": record.bytes,
        "mean_cosine": record.vector_parity.mean_cosine,
        "min_cosine": record.vector_parity.min_cosine,
        "floor": record.vector_parity.floor,
        **_as_record(cost),
    }


def _ondol(*arguments: str) -> ProcessCost:
    """Raises OSError, with the last line of the error, if the command fails."""
    return run_process((sys.executable, "-m", "ondol", *arguments))


def _as_record(cost: ProcessCost) -> dict[str, float]:
    return {"seconds": round(cost.seconds, 1), "peak_bytes": cost.peak_bytes}


def _bytes(directory: Path) -> int:
    """Weights and tokenizer."""
    checkpoint = Checkpoint(directory)
    files = [*checkpoint.weight_files(), checkpoint.tokenizer_file]
    return sum(path.stat().st_size for path in files)


def as_text(results: dict[str, Any]) -> str:
    """The table for the terminal."""
    built = [record for record in results["variants"] if record["problem"] is None]
    prune = results["prune"]
    lines = [
        f"{results['encoder']}: {results['layers']} layers, {results['hidden_size']} columns, "
        f"{results['max_tokens']:,} tokens; random weights",
        f"whole  {results['source_rows']:>7,} rows {results['source_bytes']:>13,} bytes",
        f"pruned {results['rows']:>7,} rows {results['pruned_bytes']:>13,} bytes, in "
        f"{prune['seconds']:.0f} s and {prune['peak_bytes'] / 1e6:,.0f} MB",
    ]
    if built:
        smallest = min(built, key=lambda record: record["bytes"])
        share = results["source_bytes"] / smallest["bytes"]
        lines.append(
            f"smallest variant: {smallest['name']}, {smallest['bytes']:,} bytes, {share:.1f} times "
            "smaller than the whole checkpoint"
        )
    header = ("variant", "bytes", "mean cosine", "smallest", "floor", "seconds", "peak MB")
    rows = [
        (
            record["name"],
            f"{record['bytes']:,}",
            f"{record['mean_cosine']:.6f}",
            f"{record['min_cosine']:.6f}",
            f"{record['floor']}",
            f"{record['seconds']:.0f}",
            f"{record['peak_bytes'] / 1e6:,.0f}",
        )
        for record in built
    ]
    failed = [f"{r['name']}: {r['problem']}\n" for r in results["variants"] if r["problem"]]
    return "\n".join([*lines, "", format_table(header, rows) + "".join(failed)])


def with_shape(path: Path, shape: dict[str, Any]) -> list[dict[str, Any]]:
    """The shapes that a file holds, with `shape` in the place of an older one of its model."""
    held = json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else []
    shapes = {one["encoder"]: one for one in (*held, shape)}
    order = [encoder.hub_id for encoder in PUBLISHED]
    return [shapes[name] for name in order if name in shapes]


def _progress(stage: str) -> None:
    print(stage, file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", choices=sorted(BY_NAME), help=", ".join(BY_NAME))
    parser.add_argument("--tokenizer", type=Path, required=True, help="XLM-R's tokenizer.json")
    parser.add_argument("--rows", type=int, default=DEFAULT_SIZE, help="(default %(default)s)")
    parser.add_argument("--variants", default=",".join(map(str, Variant)), help="(default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="add the numbers to this file")
    arguments = parser.parse_args()
    try:
        variants = [Variant.parse(name) for name in arguments.variants.split(",")]
        with tempfile.TemporaryDirectory() as work:
            encoder = BY_NAME[arguments.name]
            results = measure(encoder, arguments.tokenizer, arguments.rows, variants, Path(work))
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    emit(as_text(results))
    if arguments.json:
        write_record(arguments.json, with_shape(arguments.json, results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
