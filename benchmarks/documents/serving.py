"""Tables of docs/server.md."""

from collections.abc import Callable, Mapping

from bars import passed

from documents.source import machine, markdown, results


def server_load() -> str:
    """Throughput of `ondol serve` beside the library's, and how long its clients wait."""
    found = results("server_load")
    loads = [
        [
            f"{load['texts_per_request']} × {load['streams']}",
            f"{found['tokens'] / load['seconds']:,.0f}",
            f"{load['share']:.0%}",
            f"{load['share_of_same_lists']:.0%}",
        ]
        for load in found["loads"]
    ]
    waits = {f"{r['clients']}": r for r in found["latency"]}
    waits["1, beside a request with 2,048 texts"] = found["beside_all_texts"]
    rows = [
        [name, f"{r['p50_seconds'] * 1e3:.1f}", f"{r['p99_seconds'] * 1e3:.1f}"]
        for name, r in waits.items()
    ]
    share, of = found["share"], found["bar_load"]
    header = ("texts × requests at once", "tokens/s", "of one call", "of calls with the same lists")
    return (
        markdown(header, loads, "lrrr")
        + f"\n`{found['variant']}`, {found['layers']} layers, {found['tokens']:,} tokens in "
        f"{found['texts']:,} texts; one call of the library: "
        f"{found['tokens'] / found['library_seconds']:,.0f} tokens/s. Bar, with {of['streams']} "
        f"requests of {of['texts_per_request']}: {share:.0%} of it, at least {found['bar']:.0%}: "
        f"{passed(share >= found['bar'])}.\n\n"
        + markdown(("clients", "p50, ms", "p99, ms"), rows, "lrr")
        + machine("server_load")
    )


TABLES: Mapping[str, Callable[[], str]] = {
    "server_load": server_load,
}
