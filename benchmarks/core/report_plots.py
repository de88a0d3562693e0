"""The three plots of a report."""

from collections.abc import Mapping

from ondol.benchmarks.axis import Axis
from ondol.benchmarks.plots import Point, Series, lines, scatter
from ondol.benchmarks.results import BenchReport


def report_plots(report: BenchReport) -> Mapping[str, str]:
    """SVG documents by the name of their file, without those for which nothing was measured."""
    plots = {
        "size-quality.svg": _size_quality(report),
        "latency-length.svg": _latency_length(report),
        "throughput-threads.svg": _throughput_threads(report),
    }
    return {name: svg for name, svg in plots.items() if svg is not None}


def _size_quality(report: BenchReport) -> str | None:
    points = [
        Point(
            variant.name.value,
            variant.bytes / 1e6,
            variant.quality.mean_cosine,
            variant.engine.value,
        )
        for variant in report.variants
        if variant.quality is not None
    ]
    if not points:
        return None
    return scatter(
        "Size against quality",
        points,
        Axis("size on disk, MB", log=True),
        Axis("mean cosine to PyTorch float32", largest=1.0),
    )


def _latency_length(report: BenchReport) -> str | None:
    series = [
        Series(variant.name.value, tuple((item.tokens, item.p50_ms) for item in variant.latency))
        for variant in report.variants
        if variant.latency
    ]
    if not series:
        return None
    lengths = sorted({item.tokens for variant in report.variants for item in variant.latency})
    return lines(
        f"Latency against length, {_threads(report.threads)}",
        series,
        Axis("length of the text, tokens", log=True, marks=tuple(lengths)),
        Axis("median latency, ms", log=True),
    )


def _throughput_threads(report: BenchReport) -> str | None:
    series = [
        Series(
            variant.name.value,
            tuple((item.threads, item.tokens_per_second) for item in variant.throughput),
        )
        for variant in report.variants
        if variant.throughput
    ]
    if not series:
        return None
    counts = sorted({item.threads for variant in report.variants for item in variant.throughput})
    return lines(
        "Throughput against threads",
        series,
        Axis("threads", marks=tuple(counts)),
        Axis("tokens per second, mixed workload", from_zero=True),
    )


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
