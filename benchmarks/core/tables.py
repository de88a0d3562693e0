"""A report as rows of text, for a terminal and for a page alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ondol.benchmarks.results import BenchReport, Status, VariantResult

#: Stands where nothing was measured.
ABSENT = "-"


@dataclass(frozen=True)
class Table:
    """Rows under a header; the first column is the variant.

    Attributes:
        caption: what the numbers are, with their units.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def summary_table(report: BenchReport) -> Table:
    """Size, start, memory, throughput and parity of every variant."""
    header = (
        "variant", "engine", "result", "bytes", "cold start ms", "peak MB", "texts/s",
        "tokens/s", "mean cosine", "min cosine",
    )  # fmt: skip
    return Table(
        "bytes: of the variant's file. cold start: from process start to the first vector, load "
        "checks included, files in the page cache. peak: resident memory of a process that embeds "
        f"the {report.texts} mixed texts ({report.tokens:,} tokens). texts/s, tokens/s: these "
        f"texts in one call, {_threads(report.threads)}. cosine: to the bundle's stored PyTorch "
        "float32 vectors",
        header,
        tuple(_summary_row(variant, report.threads) for variant in report.variants),
    )


def _summary_row(variant: VariantResult, threads: int) -> tuple[str, ...]:
    throughput, quality = variant.throughput_at(threads), variant.quality
    return (
        variant.name.value,
        variant.engine.value,
        variant.status.value,
        f"{variant.bytes:,}",
        ABSENT if variant.cold_start_ms is None else f"{variant.cold_start_ms:.0f}",
        ABSENT if variant.peak_bytes is None else f"{variant.peak_bytes / 1e6:.0f}",
        ABSENT if throughput is None else f"{throughput.texts_per_second:,.1f}",
        ABSENT if throughput is None else f"{throughput.tokens_per_second:,.0f}",
        ABSENT if quality is None else f"{quality.mean_cosine:.6f}",
        ABSENT if quality is None else f"{quality.min_cosine:.6f}",
    )


def latency_table(report: BenchReport) -> Table:
    """p50 and p95 of one text at each length, for the variants that were measured."""
    lengths = sorted({item.tokens for variant in report.variants for item in variant.latency})
    rows = []
    for variant in report.variants:
        by_length = {item.tokens: item for item in variant.latency}
        if not by_length:
            continue
        cells: list[str] = []
        for length in lengths:
            found = by_length.get(length)
            cells += (ABSENT,) * 2 if found is None else (_ms(found.p50_ms), _ms(found.p95_ms))
        rows.append((variant.name.value, *cells))
    header = [f"{length} {what}" for length in lengths for what in ("p50", "p95")]
    return Table(
        f"latency of one text of so many tokens, milliseconds, {_threads(report.threads)}",
        ("variant", *header),
        tuple(rows),
    )


def threads_table(report: BenchReport) -> Table:
    """Tokens per second at each number of threads, for the variants that were measured."""
    counts = sorted({item.threads for variant in report.variants for item in variant.throughput})
    rows = []
    for variant in report.variants:
        if variant.throughput:
            found = [variant.throughput_at(threads) for threads in counts]
            cells = (ABSENT if t is None else f"{t.tokens_per_second:,.0f}" for t in found)
            rows.append((variant.name.value, *cells))
    return Table(
        "tokens per second on the mixed texts",
        ("variant", *(_threads(threads) for threads in counts)),
        tuple(rows),
    )


def notes(report: BenchReport) -> Sequence[str]:
    """What the tables do not say: why a variant was skipped or failed, and if the run was cut."""
    found = [f"{v.name}: {v.problem}" for v in report.variants if v.problem is not None]
    if any(v.status is Status.OK and v.cold_start_ms is None for v in report.variants):
        found.append(
            f"{report.machine['system']} does not say what a process needed: cold start and peak "
            "memory were not measured."
        )
    if any(variant.status is Status.STOPPED for variant in report.variants):
        found.append(f"Stopped before the end: {ABSENT} stands where nothing was measured.")
    return found


def machine_rows(report: BenchReport) -> Mapping[str, str]:
    """The model, the machine and the versions, by what they are called."""
    machine, model = report.machine, report.model
    versions = {"ondol": machine["ondol"], "Python": machine["python"], **machine["packages"]}
    shape = ", ".join(
        f"{model[name]:,} {name}" for name in ("layers", "dimensions", "rows") if name in model
    )
    return {
        "bundle": report.bundle,
        "model": f"{model['source']} ({model['type']}, {shape})",
        "processor": str(machine["processor"] or machine["architecture"]),
        "instructions": ", ".join(machine["instructions"]) or "not listed by this system",
        "cores": f"{machine['physical_cores']} physical; {_threads(report.threads)} used",
        "system": f"{machine['system']}, {machine['architecture']}",
        "versions": ", ".join(f"{name} {text or 'missing'}" for name, text in versions.items()),
        "measured": f"{report.measured_at}, {report.rounds} rounds, variants in turns",
        "command": report.command,
    }


def _ms(value: float) -> str:
    """Three digits are as many as a time has."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
