"""Tables of docs/trust.md."""

from collections.abc import Callable, Mapping

from documents.source import machine, markdown, results

#: What a process holds besides memory (footprint.py).
_HELD = ("descriptors", "threads")


def load_cycles() -> str:
    """Growth of a process that loads and closes a bundle again and again."""
    rows = [
        (
            f"`{r['variant']}`",
            f"{r['cycles']:,}",
            f"{r['bytes_per_cycle']:+,.0f} ± {r['bytes_per_cycle_error']:,.0f}",
            f"{r['most_resident_bytes'] / 1e6:.1f}",
            *(f"{r['readings'][0][held]} → {r['readings'][-1][held]}" for held in _HELD),
        )
        for r in results("load_cycles")
    ]
    header = ("variant", "cycles", "bytes per cycle", "most MB", *_HELD)
    return markdown(header, rows, "lrrrrr") + machine("load_cycles")


def soak() -> str:
    """Growth of memory and latency over an hour of mixed calls."""
    rows = [
        (
            f"`{r['variant']}`",
            f"{r['minutes']}",
            f"{r['calls']:,}",
            f"{r['most_resident_bytes'] / 1e6:.1f}",
            *(
                f"{r[name] / scale:+.2f} ± {r[f'{name}_error'] / scale:.2f}"
                for name, scale in (
                    ("resident_bytes_per_hour", 1e6),
                    ("p50_ms_per_hour", 1),
                    ("p99_ms_per_hour", 1),
                )
            ),
        )
        for r in results("soak")["variants"]
    ]
    header = ("variant", "minutes", "calls", "most MB", "MB/hour", "p50, ms/hour", "p99, ms/hour")
    return markdown(header, rows, "lrrrrrr") + machine("soak")


def contention() -> str:
    """Median latency alone and beside busy processes."""
    cases = {(r["name"], r["tokens"], r["busy"]): r for r in results("contention")["cases"]}
    busy = sorted({busy for _, _, busy in cases if busy})
    rows = []
    for name, tokens in dict.fromkeys((name, tokens) for name, tokens, _ in cases):
        beside = (cases[name, tokens, count] for count in busy)
        alone = f"{cases[name, tokens, 0]['p50_ms']:.1f}"
        found = (f"{case['p50_ms']:.1f} ({case['p50_ratio']:.1f})" for case in beside)
        rows.append((name, str(tokens), alone, *found))
    header = ("variant", "tokens", "alone, ms", *(f"beside {count} (ratio)" for count in busy))
    return markdown(header, rows, "lrr" + "r" * len(busy)) + machine("contention")


TABLES: Mapping[str, Callable[[], str]] = {
    "load_cycles": load_cycles,
    "soak": soak,
    "contention": contention,
}
