"""Bytes of every variant for the shape of multilingual-e5-small.

    python benchmarks/variant_sizes.py --tokenizer ../shared/tokenizer/tokenizer.json

A checkpoint of that shape with random weights (12 layers, 384 dimensions, 250,037 embedding rows)
is written to a temporary directory, pruned, and exported as `ondol build` does it. Sizes do not
depend on the weights; parity would, so it is not measured here. Needs the extra `convert` and
1.5 GB of disk.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from record import write_record

from ondol.checkpoint import Checkpoint
from ondol.convert.export import Exporter
from ondol.errors import OndolError
from ondol.variants import Variant
from ondol.vocab_prune.prune import PruneOptions, prune

#: config.json of intfloat/multilingual-e5-small.
LAYERS, HIDDEN, HEADS, WIDE, POSITIONS, ROWS = 12, 384, 12, 1536, 512, 250_037


def write_random_checkpoint(tokenizer: Path, directory: Path) -> None:
    """A BertModel of e5-small's shape with random weights, as sentence-transformers saves it."""
    import torch
    import transformers

    config = transformers.BertConfig(
        vocab_size=ROWS,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=WIDE,
        max_position_embeddings=POSITIONS,
    )
    torch.manual_seed(0)
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(directory)
    shutil.copyfile(tokenizer, directory / "tokenizer.json")
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(
            [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
        )
    ]
    for name, content in (
        ("modules.json", modules),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": True}),
        ("sentence_bert_config.json", {"max_seq_length": POSITIONS}),
    ):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(json.dumps(content), encoding="utf-8")


def measure(tokenizer: Path, rows: int, work: Path) -> dict[str, Any]:
    """Sizes in bytes, of the checkpoint before and after the prune and of every variant."""
    write_random_checkpoint(tokenizer, work / "full")
    full = Checkpoint(work / "full")
    prune(full, work / "pruned", PruneOptions(vocab_size=rows), _progress)
    pruned = Checkpoint(work / "pruned")
    (work / "files").mkdir()
    exporter = Exporter(pruned, "e5-small shape", ["query: 국내 여행지"], work / "files")
    variants = []
    for variant in Variant:
        _progress(f"writing {variant}")
        path = work / Path(variant.path).name
        scheme = exporter.write(variant, path)
        variants.append(
            {
                "name": variant.value,
                "bytes": path.stat().st_size,
                "tensors": scheme.get("tensors", {}),
            }
        )
        path.unlink()
    return {
        "shape": {
            "layers": LAYERS,
            "hidden_size": HIDDEN,
            "heads": HEADS,
            "intermediate_size": WIDE,
            "position_rows": POSITIONS,
        },
        "rows": pruned.architecture.vocab_rows,
        "source_rows": ROWS,
        "source_bytes": sum(path.stat().st_size for path in full.weight_files()),
        "source_tokenizer_bytes": tokenizer.stat().st_size,
        "pruned_bytes": sum(path.stat().st_size for path in pruned.weight_files()),
        "tokenizer_bytes": (work / "pruned" / "tokenizer.json").stat().st_size,
        "variants": variants,
    }


def _progress(stage: str) -> None:
    print(stage, file=sys.stderr)


def as_text(sizes: dict[str, Any]) -> str:
    """The table for the terminal."""
    lines = [
        f"full checkpoint   {sizes['source_bytes']:>13,} bytes, {sizes['source_rows']:,} rows, "
        f"tokenizer.json {sizes['source_tokenizer_bytes']:,}",
        f"pruned checkpoint {sizes['pruned_bytes']:>13,} bytes, {sizes['rows']:,} rows, "
        f"tokenizer.json {sizes['tokenizer_bytes']:,}",
        "",
        f"{'variant':<12} {'bytes':>12} {'smaller':>8}  tensors",
    ]
    for record in sizes["variants"]:
        tensors = ", ".join(f"{t['tensors']} {kind}" for kind, t in record["tensors"].items())
        ratio = sizes["source_bytes"] / record["bytes"]
        lines.append(
            f"{record['name']:<12} {record['bytes']:>12,} {ratio:>7.1f}x  {tensors}".rstrip()
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokenizer", type=Path, required=True, help="XLM-R's tokenizer.json")
    parser.add_argument("--rows", type=int, default=41_348, help="rows to keep (default 41,348)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as work:
            sizes = measure(arguments.tokenizer, arguments.rows, Path(work))
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(as_text(sizes))
    if arguments.json:
        write_record(arguments.json, sizes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
