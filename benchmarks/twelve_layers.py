"""Write a checkpoint of e5-small's shape with trained weights: the model that speed is measured on.

    python benchmarks/twelve_layers.py ../standin-checkpoint twelve-layers

SOURCE is the stand-in (`shared/standin/expand.py` writes it): each of its six layers is followed by
a copy of itself that adds a tenth as much, and the vocabulary is pruned to 41,348 rows. OUT is a
checkpoint that sentence-transformers loads and `ondol build OUT --keep-vocab --out BUNDLE` builds
from. Only its times mean something: the copies stretch a few channels twice, and a scheme of static
int8 that holds the six layers well can be far off on these twelve.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

from ondol.checkpoint import Checkpoint
from ondol.errors import OndolError
from ondol.vocab_prune.prune import PruneOptions, prune

_LAYER = re.compile(r"(.*encoder\.layer\.)(\d+)(\..*)")

#: What a copied layer's two sums are scaled by. At 1 several variants miss their floors, at a tenth
#: all keep them, as those of the six layers do.
_COPY = 0.1

#: Relative noise on a copy: exporters store equal tensors once, which no other model gains from.
_NOISE = 0.001


def write_doubled(source: Checkpoint, out: Path) -> None:
    """Write `source` to the new directory `out`, every layer followed by its weaker copy."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(0)
    weights = [path.name for path in source.weight_files()]
    shutil.copytree(source.directory, out, ignore=lambda folder, names: weights)
    state = {}
    for name, tensor in source.load_state().items():
        layer = _LAYER.fullmatch(name)
        if layer is None:
            state[name] = tensor
            continue
        number = 2 * int(layer[2])
        scale = _COPY if ".output.dense." in layer[3] else 1
        state[f"{layer[1]}{number}{layer[3]}"] = tensor
        noise = torch.randn(tensor.shape, generator=generator)
        state[f"{layer[1]}{number + 1}{layer[3]}"] = tensor * scale * (1 + _NOISE * noise)
    save_file(state, out / "model.safetensors", metadata={"format": "pt"})
    config = {**source.config, "num_hidden_layers": 2 * source.architecture.layers}
    (out / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="the stand-in's directory")
    parser.add_argument("out", type=Path, help="a new directory")
    parser.add_argument("--rows", type=int, default=41_348, help="rows to keep (default 41,348)")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as work:
            doubled = Path(work) / "doubled"
            write_doubled(Checkpoint(arguments.source), doubled)
            options = PruneOptions(vocab_size=arguments.rows)
            prune(Checkpoint(doubled), arguments.out, options, _progress)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _progress(stage: str) -> None:
    print(stage, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
