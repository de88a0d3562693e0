"""Tables of docs/encoders.md."""

import re
from collections.abc import Callable, Mapping

from published_encoders import PUBLISHED

from documents.source import machine, markdown, results


def checkpoint_shapes() -> str:
    """Published shapes before and after, and what a build of each variant takes."""
    rows, builds = [], []
    for shape in results("checkpoint_shapes"):
        name = f"`{shape['encoder'].rpartition('/')[2]}`"
        built = [one for one in shape["variants"] if one["problem"] is None]
        smallest = min(built, key=lambda one: one["bytes"])
        prune = shape["prune"]
        rows.append(
            (
                name,
                f"{shape['source_bytes']:,}",
                f"{shape['pruned_bytes']:,}",
                f"{smallest['bytes']:,}",
                smallest["name"],
                f"{shape['source_bytes'] / smallest['bytes']:.1f}",
                f"{prune['seconds']:.0f}",
                f"{prune['peak_bytes'] / 1e6:,.0f}",
            )
        )
        for one in shape["variants"]:
            if one["problem"] is None:
                cells = (f"{one['bytes']:,}", f"{one['mean_cosine']:.5f}")
                cells += (f"{one['min_cosine']:.5f}", f"{one['floor']}")
                cells += (f"{one['seconds']:,.0f}", f"{one['peak_bytes'] / 1e6:,.0f}")
            else:
                cells = ("not written", *_missed(one["problem"]), "-", "-")
            builds.append((name, one["name"], *cells))
    header = ("model", "bytes", "pruned", "smallest", "variant", "times smaller", "s", "peak MB")
    columns = ("model", "variant", "bytes", "mean cosine", "smallest", "floor", "s", "peak MB")
    return (
        markdown(header, rows, "lrrrlrrr")
        + "\n"
        + markdown(columns, builds, "llrrrrrr")
        + machine("checkpoint_shapes")
    )


def _missed(problem: str) -> tuple[str, str, str]:
    """Mean, smallest cosine and floor, from the message of ParityMeasurement.problem."""
    found = re.search(r"cosine ([\d.]+) .* mean ([\d.]+); its floor is ([\d.]+\d)", problem)
    if found is None:
        return "-", "-", "-"
    smallest, mean, floor = found.groups()
    return f"{float(mean):.5f}", f"{float(smallest):.5f}", floor


def encoders() -> str:
    """What tells the published encoders apart."""
    header = ("model", "kind", "layers", "columns", "pooling", "norm", "prompts", "tokens", "rows")
    rows = []
    for encoder in PUBLISHED:
        config = encoder.config
        rows.append(
            (
                f"`{encoder.hub_id}`",
                f"`{config['architectures'][0]}`",
                str(config["num_hidden_layers"]),
                f"{config['hidden_size']:,}",
                encoder.pooling.value,
                "L2" if encoder.normalize else "none",
                ", ".join(f"`{prompt}`" for prompt in encoder.all_prompts.values()) or "none",
                f"{encoder.max_seq_length:,}",
                f"{config['vocab_size']:,}",
            )
        )
    return markdown(header, rows, "llrrlllrr")


TABLES: Mapping[str, Callable[[], str]] = {
    "encoders": encoders,
    "checkpoint_shapes": checkpoint_shapes,
}
