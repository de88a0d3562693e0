"""Tables of docs/datasets.md."""

from collections.abc import Callable, Mapping

from documents.source import machine, markdown, results


def dataset_scale() -> str:
    """Embedding data sets of several sizes, in several ways."""
    header = ("rows", "", "workers × threads", "seconds", "rows/s", "processor ms per row")
    rows = [
        [
            f"{r['rows']:,}",
            {"local": "local", "ray": "Ray"}[r["engine"]],
            f"{r['workers']} × {r['threads']}",
            f"{r['seconds']:,.1f}",
            f"{r['rows'] / r['seconds']:,.0f}",
            f"{1000 * r['processor_seconds'] / r['rows']:.2f}",
            f"{r['peak_bytes'] / 1e6:,.0f}",
        ]
        for r in sorted(results("dataset_scale")["runs"], key=lambda r: (r["rows"], r["engine"]))
    ]
    return markdown((*header, "peak MB"), rows, "rlrrrrr") + (
        "\nWhole commands, with the start of Ray and the loading of models. Processor time and "
        "memory are those of all processes together. All runs of a size wrote the same bytes.\n"
        f"{machine('dataset_scale')}"
    )


#: Of a core for an hour, in dollars: what the guide's example of a machine comes to.
CORE_HOUR_PRICE = 0.085


#: Rows and tokens of a row, for the table of costs.
COST_CASES = ((10**8, 30), (10**8, 300), (10**10, 30), (10**10, 300))


def dataset_cost() -> str:
    """Core hours of large data sets, from the tokens that a core runs in a second."""
    largest = max(
        (r for r in results("dataset_scale")["runs"] if r["engine"] == "local"),
        key=lambda r: (r["rows"], r["threads"]),
    )
    small = largest["tokens"] / largest["processor_seconds"]
    compared = results("compare")
    (ours,) = (c for c in compared["contenders"] if c["name"] == "ondol onnx-int8")
    twelve = ours["numbers"]["tokens_per_second"]["median"] / compared["threads"]
    rows = [
        [
            f"{count:,}",
            f"{tokens}",
            *(
                cell
                for rate in (small, twelve)
                for hours in [count * tokens / rate / 3600]
                for cell in (f"{hours:,.0f}", f"{hours * CORE_HOUR_PRICE:,.0f}")
            ),
        ]
        for count, tokens in COST_CASES
    ]
    header = ("rows", "tokens each", "core hours, 6 layers", "$", "core hours, 12 layers", "$")
    size = largest["rows"]
    return markdown(header, rows, "rrrrrr") + (
        f"\n6 layers: the bundle inside the package, {small:,.0f} tokens per processor second, "
        f"parsing and writing included. 12 layers: the shape of e5-small, {twelve:,.0f} tokens/s "
        f"of a core ([the comparison](evidence.md)). Measured with {size:,} rows of "
        f"{largest['tokens'] / size:.0f} tokens: {largest['bytes_in'] / size:,.0f} bytes a row in, "
        f"{largest['bytes_out'] / size:,.0f} out, which is "
        f"{largest['bytes_out'] / largest['processor_seconds'] / 1e6:.2f} MB/s of a core.\n"
    )


TABLES: Mapping[str, Callable[[], str]] = {
    "dataset_scale": dataset_scale,
    "dataset_cost": dataset_cost,
}
