"""Tables of README.md, docs/speed.md, docs/evidence.md and docs/sizes.md."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import evidence
from bars import passed

from documents.source import machine, markdown, record, results, table_of


def summary(language: str) -> str:
    """README: ondol and its peers side by side."""
    table = evidence.highlights(results("compare"), results("quality"))
    header = {"en": table.header, "ko": evidence.HEADER_KO}[language]
    return markdown(header, table.rows, "l" + "r" * (len(header) - 1))


def machine_line(language: str) -> str:
    """README: the hardware of `summary`, and what was measured on what."""
    found = results("compare")
    facts = record("compare")["machine"]
    processor = re.sub(r"\s+\d+-Core Processor", "", facts["processor"])
    threads, rows = found["threads"], found["rows"]
    if language == "ko":
        return f"측정: {processor}, AVX512-VNNI, 스레드 {threads}개, 어휘 {rows:,}행.\n"
    return f"Measured on {threads} threads of {processor} with AVX512-VNNI, {rows:,} rows.\n"


def comparison() -> str:
    """Every contender, medians."""
    found = results("compare")
    table = table_of(evidence.medians(found, results("quality"))) + machine("compare")
    versions: dict[str, str] = {}
    for one in found["contenders"]:
        if not one["name"].startswith(evidence.OURS):
            versions |= {k: v for k, v in one["versions"].items() if v and k != "ondol"}
    return table + f"\nPeers: {', '.join(f'{k} {v}' for k, v in sorted(versions.items()))}.\n"


def sizes() -> str:
    """Bytes at the shape of e5-small."""
    found = results("variant_sizes")
    rows = [
        [
            f"`{r['name']}`",
            f"{r['bytes']:,}",
            f"{found['source_bytes'] / r['bytes']:.1f}×",
            _tensors(r["tensors"]) or "onnx",
        ]
        for r in found["variants"]
    ]
    header = ("variant", "bytes", "smaller", "tensors")
    text = markdown(header, rows, "lrrl")
    text += (
        f"\nThe whole checkpoint in float32 has {found['source_bytes']:,} bytes "
        f"({found['source_rows']:,} rows), the pruned one {found['pruned_bytes']:,} "
        f"({found['rows']:,} rows); `tokenizer.json` has {found['tokenizer_bytes']:,} bytes "
        f"instead of {found['source_tokenizer_bytes']:,}.\n"
    )
    return text + f"\n`{record('variant_sizes')['command']}`\n"


def _tensors(totals: Mapping[str, Any]) -> str:
    return ", ".join(f"{total['tensors']} {kind}" for kind, total in totals.items())


def startup() -> str:
    """Time and memory of a fresh process."""
    found = results("startup")
    rows = [
        [f"{r['case']}", f"{r['milliseconds']:.0f}", f"{r['peak_megabytes']:.0f}"]
        for r in found["cases"]
    ]
    return markdown(("process", "ms", "peak MB"), rows, "lrr") + machine("startup")


def latency() -> str:
    """One text, and many."""
    found = results("latency")
    lengths = list(found["variants"][0]["milliseconds"])
    rows = [
        [
            f"`{r['name']}`",
            *(f"{r['milliseconds'][k]:.1f} ({r['ratios'][k]:.2f}×)" for k in lengths),
            f"{r['tokens_per_second']:,} ({r['mix_ratio']:.2f}×)",
        ]
        for r in found["variants"]
    ]
    header = ("variant", *(f"{k} tokens, ms" for k in lengths), "tokens per second, mix")
    return markdown(header, rows, "l" + "r" * (len(lengths) + 1)) + machine("latency")


def llama_choices() -> str:
    """Flash attention off and on, texts alone and packed."""
    rows = [
        [
            f"`{r['name']}`",
            f"{r['min_cosine_off']:.6f} → {r['min_cosine_on']:.6f}",
            f"{r['paragraph_seconds_off']:.1f} → {r['paragraph_seconds_on']:.1f}",
            f"{r['min_cosine_packed']:.6f}",
            f"{r['question_seconds_alone']:.2f} → {r['question_seconds_packed']:.2f}",
        ]
        for r in results("llama_choices")
    ]
    header = (
        "variant",
        "smallest cosine to PyTorch, flash attention off → on",
        "s for 40 paragraphs, off → on",
        "smallest cosine, packed to alone",
        "s for 200 questions, alone → packed",
    )
    return markdown(header, rows, "lrrrr") + machine("llama_choices")


def model_call() -> str:
    """One run of the model, every engine at every shape."""
    found = results("model_call")
    shapes = list(found["engines"][0]["milliseconds"])
    rows = [
        [
            r["name"],
            *(f"{r['milliseconds'][k]:.1f} ({r['fastest_milliseconds'][k]:.1f})" for k in shapes),
        ]
        for r in found["engines"]
    ]
    header = ("ms, median (fastest)", *shapes)
    return markdown(header, rows, "l" + "r" * len(shapes)) + _peers_line("model_call")


def model_call_bars() -> str:
    """ondol's share of the time of its peers."""
    rows = [
        [
            r["name"],
            r["shape"],
            r["against"],
            f"{r['ratio']:.2f}",
            f"{r['fastest_ratio']:.2f}",
            f"≤ {r['at_most']:.2f}",
            passed(r["ratio"] <= r["at_most"]),
        ]
        for r in results("model_call")["bars"]
    ]
    header = ("", "shape", "against", "time, median", "time, fastest", "bar", "")
    return markdown(header, rows, "lllrrrl")


def end_to_end() -> str:
    """Strings to vectors, every engine."""
    found = results("end_to_end")
    peak = found["peak_operations_per_second"]
    rows = [
        [
            r["name"],
            f"{r['seconds']:.2f} ({r['fastest_seconds']:.2f})",
            f"{found['tokens'] / r['seconds']:,.0f}",
            f"{r['operations_per_second'] / peak:.0%}",
            f"{r['mean_cosine_to_torch']:.4f}",
        ]
        for r in found["engines"]
    ]
    header = ("engine", "s, median (fastest)", "tokens per second", "of int8 peak", "mean cosine")
    text = markdown(header, rows, "lrrrr")
    text += (
        f"\n{found['texts']:,} texts, {found['tokens']:,} tokens, {found['threads']} threads. "
        f"int8 peak: {peak / 1e9:,.0f} billion operations per second.\n"
    )
    return text + _peers_line("end_to_end")


def end_to_end_bars() -> str:
    """How many times faster than its peers ondol is."""
    rows = [
        [
            r["name"],
            r["against"],
            f"{r['ratio']:.2f}×",
            f"{r['fastest_ratio']:.2f}×",
            f"≥ {r['at_least']:.2f}×",
            passed(r["ratio"] >= r["at_least"]),
        ]
        for r in results("end_to_end")["bars"]
    ]
    header = ("", "against", "faster, median", "faster, fastest", "bar", "")
    return markdown(header, rows, "llrrrl")


def _peers_line(name: str) -> str:
    """`machine`, and the versions of the peers."""
    versions = ", ".join(f"{k} {v}" for k, v in results(name)["versions"].items() if v)
    return machine(name) + f"\nPeers: {versions}.\n"


def memory() -> str:
    """Peak memory for few lines and many."""
    found = results("memory")
    rows = [[f"{r['lines']:,}", f"{r['peak_bytes'] / 1e6:.1f}"] for r in found["runs"]]
    grown, bar = found["difference_bytes"], found["bar_bytes"]
    return (
        markdown(("lines", "peak MB"), rows, "rr")
        + f"\n`{found['variant']}`: {grown / 1e6:.1f} MB more, bar ≤ {bar / 1e6:.0f} MB: "
        f"{passed(grown <= bar)}.\n" + machine("memory")
    )


def start_line(language: str) -> str:
    """README: a fresh process with the bundle inside the package."""
    found = {r["case"]: r for r in results("startup")["cases"]}
    bare, whole = found["import ondol"], found["ondol embed, onnx-int8"]
    milliseconds, seconds = bare["milliseconds"], whole["milliseconds"] / 1000
    if language == "ko":
        return (
            f"`ondol embed` 한 줄: 시작부터 종료까지 {seconds:.2f}초, 최대 메모리 "
            f"{whole['peak_megabytes']:.0f} MB(`import ondol`만 하면 {milliseconds:.0f} ms).\n"
        )
    return (
        f"`ondol embed` of one line takes {seconds:.2f} s from start to exit, all load checks "
        f"included, and {whole['peak_megabytes']:.0f} MB of memory at its peak; `import ondol` "
        f"takes {milliseconds:.0f} ms, Python's own start included.\n"
    )


TABLES: Mapping[str, Callable[[], str]] = {
    "comparison": comparison,
    "comparison_spread": lambda: table_of(evidence.spreads(results("compare"))),
    "comparison_ratios": lambda: table_of(evidence.ratios(results("compare"))),
    "comparison_best": lambda: table_of(evidence.best_peers(results("compare"))),
    "comparison_failures": lambda: table_of(evidence.failures(results("compare"))),
    "summary": lambda: summary("en"),
    "summary_ko": lambda: summary("ko"),
    "machine": lambda: machine_line("en"),
    "machine_ko": lambda: machine_line("ko"),
    "sizes": sizes,
    "startup": startup,
    "latency": latency,
    "llama_choices": llama_choices,
    "model_call": model_call,
    "model_call_bars": model_call_bars,
    "end_to_end": end_to_end,
    "end_to_end_bars": end_to_end_bars,
    "memory": memory,
    "start": lambda: start_line("en"),
    "start_ko": lambda: start_line("ko"),
}
