"""Write the tables of the documentation, and its picture, from the results in benchmarks/results.

    python benchmarks/render.py             write them
    python benchmarks/render.py --check     change nothing; exit with 1 if a file would change

A table stands in a document between two comments:

    <!-- table: NAME -->
    <!-- end -->

Every other number in the documents belongs to a sentence that names its command.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import evidence
from bars import passed
from fidelity_svg import fidelity_svg
from install_size import extras_table, packages_table
from published_encoders import PUBLISHED
from quality.tables import SETS, differences, interval, scores

from ondol.benchmarks.tables import Table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENTS = (
    "README.md",
    "README.ko.md",
    "docs/pruning.md",
    "docs/quality.md",
    "docs/output.md",
    "docs/reranking.md",
    "docs/parity.md",
    "docs/sizes.md",
    "docs/speed.md",
    "docs/evidence.md",
    "docs/encoders.md",
    "docs/integrations.md",
    "docs/offline-app.md",
    "docs/search.md",
    "docs/server.md",
    "docs/datasets.md",
    "docs/trust.md",
)
PICTURE = "docs/fidelity.svg"
SIZE_PICTURE = "docs/size_quality.svg"
LATENCY_PICTURE = "docs/latency_quality.svg"
PAGE = "benchmarks/results/evidence.html"

#: What a process holds besides memory (footprint.py).
_HELD = ("descriptors", "threads")

_REGION = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

#: Of the issue that asked for the pruner: share of lines that must keep their segmentation.
BARS = {("ko", 48_000): 0.99, ("en", 48_000): 0.95, ("ko", 41_348): 0.985, ("en", 41_348): 0.92}

LANGUAGES = {"en": {"ko": "Korean", "en": "English"}, "ko": {"ko": "한국어", "en": "영어"}}


def record(name: str) -> dict[str, Any]:
    """One file of benchmarks/results."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def results(name: str) -> Any:
    """The numbers of one file."""
    return record(name)["results"]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], right: str) -> str:
    """A Markdown table; right: for each column "r" for flush right, else "l"."""
    lines = [header, ["---:" if side == "r" else "---" for side in right], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def machine(name: str) -> str:
    """One sentence on what a file's numbers were measured on, and with which command."""
    content = record(name)
    facts = content["machine"]
    packages = facts["packages"]
    # "16-Core Processor" tells of the whole processor, not of what this process had.
    processor = re.sub(r"\s+\d+-Core Processor", "", facts["processor"] or facts["architecture"])
    vnni = ", AVX512-VNNI" if "avx512_vnni" in facts["instructions"] else ""
    versions = ", ".join(
        f"{package} {packages[package]}" for package in ("onnxruntime", "llama-cpp-python")
    )
    return (
        f"\nMeasured on {processor}, {facts['physical_cores']} cores{vnni}; {versions}: "
        f"`{content['command']}`\n"
    )


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
    table = _from(evidence.medians(found, results("quality"))) + machine("compare")
    versions: dict[str, str] = {}
    for one in found["contenders"]:
        if not one["name"].startswith(evidence.OURS):
            versions |= {k: v for k, v in one["versions"].items() if v and k != "ondol"}
    return table + f"\nPeers: {', '.join(f'{k} {v}' for k, v in sorted(versions.items()))}.\n"


def _from(table: Table) -> str:
    """A table and its caption as Markdown."""
    caption = f"{table.caption[0].upper()}{table.caption[1:]}."
    aligned = "l" + "r" * (len(table.header) - 1)
    return markdown(table.header, table.rows, aligned) + f"\n{caption}\n"


def prune_fidelity(language: str) -> str:
    """Fidelity against size, both languages."""
    pooled = [r for r in results("prune_fidelity") if r["source"] == "all"]
    names = LANGUAGES[language]
    rows = []
    for size in dict.fromkeys(r["rows"] for r in pooled):
        of = {r["language"]: r for r in pooled if r["rows"] == size}
        rows.append(
            [
                f"{size:,}",
                *(f"{of[code]['identical_line_share']:.2%}" for code in names),
                *(f"{of[code]['identical_token_share']:.3%}" for code in names),
                f"{of['ko']['unknown_per_10k_before']:.2f} → "
                f"{of['ko']['unknown_per_10k_after']:.2f}",
            ]
        )
    if language == "ko":
        header = ["행 수", *(f"{n} 줄 일치" for n in names.values())]
        header += [*(f"{n} 토큰 일치" for n in names.values()), "한국어 1만 토큰당 `<unk>`"]
    else:
        header = ["rows", *(f"{n} lines identical" for n in names.values())]
        header += [*(f"{n} tokens identical" for n in names.values())]
        header += ["Korean `<unk>` per 10,000 tokens"]
    return markdown(header, rows, "rrrrrr")


def prune_sources() -> str:
    """Fidelity against size, source by source."""
    parts = [r for r in results("prune_fidelity") if r["source"] != "all"]
    names = list(dict.fromkeys(r["source"] for r in parts))
    lines = {r["source"]: r["lines"] for r in parts}
    rows = []
    for size in dict.fromkeys(r["rows"] for r in parts):
        of = {r["source"]: r["identical_line_share"] for r in parts if r["rows"] == size}
        rows.append([f"{size:,}", *(f"{of[name]:.2%}" for name in names)])
    header = ["rows", *(f"{name} ({lines[name]:,})" for name in names)]
    return markdown(header, rows, "r" * len(header)) + machine("prune_fidelity")


def leave_one_out() -> str:
    """Sources left out of the counting as a whole."""
    found = results("leave_one_out")
    sizes = list(found[0]["identical_line_share"])
    rows = [
        [
            r["source"],
            f"{r['lines']:,}",
            *(f"{r['identical_line_share'][size]:.2%}" for size in sizes),
        ]
        for r in found
    ]
    header = ["source left out", "lines scored", *(f"{int(size):,} rows" for size in sizes)]
    return markdown(header, rows, "lr" + "r" * len(sizes)) + machine("leave_one_out")


def provenance() -> str:
    """What was counted, from the data file itself."""
    from ondol.vocab_prune.keeplist import load_keeplist

    rows = []
    for language, sources in load_keeplist().provenance["sources"].items():
        total = sum(source["share"] for source in sources)
        rows += [
            [
                source["name"],
                language,
                f"{source['share'] / total:.1%}",
                f"{source['tokens']:,}",
                source["licence"],
                source["origin"],
            ]
            for source in sources
        ]
    header = ("source", "language", "share", "tokens", "licence", "from")
    return markdown(header, rows, "llrrll")


def other_languages() -> str:
    """What 48,000 rows do to text of other languages, on the lines inside the package."""
    rows = [
        [
            code,
            f"{r['tokens']:,} → {r['pruned_tokens']:,}",
            f"{r['unknown'] / r['tokens']:.0%} → {r['pruned_unknown'] / r['pruned_tokens']:.0%}",
        ]
        for code, r in results("parity")["segmentation"].items()
        if code not in LANGUAGES["en"]
    ]
    return markdown(("language", "tokens", "of them `<unk>`"), rows, "lrr") + machine("parity")


def parity() -> str:
    """Parity of every variant."""
    found = results("parity")
    rows = [
        [
            f"`{r['name']}`",
            f"{r['mean_cosine']:.6f}",
            f"{r['min_cosine']:.6f}",
            f"{r['max_abs_difference']:.6f}",
            f"{r['floor']}",
        ]
        for r in found["variants"]
    ]
    header = ("variant", "mean cosine", "smallest", "largest difference", "floor of smallest")
    return markdown(header, rows, "lrrrr") + machine("parity")


def quality() -> str:
    """Similarity and retrieval, every score."""
    return scores(results("quality")) + machine("quality")


def quality_differences() -> str:
    """What every model loses or gains, and how sure that is."""
    found = results("quality")
    bootstrap, items = found["bootstrap"], found["items"]
    sizes = ", ".join(f"{SETS[place]} {count:,}" for place, count in items.items())
    return differences(found) + (
        f"\nDifference to {found['base']}, with its {bootstrap['confidence']:.0%} interval over "
        f"{bootstrap['resamples']:,} paired resamples. Pairs or queries: {sizes}.\n"
    )


def pruning_loss() -> str:
    """Vectors of texts that are cut as before, and of the others."""
    names = {"korquad-queries": "KorQuAD questions", "korquad-corpus": "KorQuAD paragraphs"}
    names |= {"cranfield-queries": "Cranfield queries", "cranfield-corpus": "Cranfield abstracts"}
    names |= {"korsts": "KorSTS sentences", "stsb": "STS-B sentences"}
    rows = [
        [
            names[r["name"]],
            f"{r['texts']:,}",
            f"{r['same_pieces'] / r['texts']:.2%}",
            *(
                "" if r[key] is None else f"{r[key]:.6f}"
                for key in ("min_cosine_same", "mean_cosine_other", "min_cosine_other")
            ),
        ]
        for r in results("pruning_loss")
    ]
    header = (
        "distinct texts",
        "number",
        "same pieces",
        "smallest cosine of these",
        "mean cosine of the others",
        "smallest",
    )
    return markdown(header, rows, "lrrrrr") + machine("pruning_loss")


def output_precision() -> str:
    """What fewer dimensions and bytes cost in retrieval."""
    found = results("output_precision")
    measure = "ndcg_at_10"
    rows = []
    for name, scored in found["models"].items():
        dimension, _, form = name.partition(" ")
        cells = [dimension, form, f"{found['bytes'][name]:,}"]
        for place in found["items"]:
            one = scored[place][measure]
            cells.append(f"{one['score']:.4f}")
            cells.append(
                interval(one["difference"], one["low"], one["high"]) if "low" in one else ""
            )
        rows.append(cells)
    header = ["elements", "precision", "bytes"]
    for place in found["items"]:
        header += [f"{SETS[place]} nDCG@10", "difference"]
    clipped, cosines = found["clipped"].values(), found["mean_cosine"].values()
    bootstrap = found["bootstrap"]
    return markdown(header, rows, "rlr" + "r" * (len(header) - 3)) + (
        f"\n{found['model']}. Difference to the first line, with its {bootstrap['confidence']:.0%} "
        f"interval over {bootstrap['resamples']:,} paired resamples of the queries. Ranges over "
        f"{found['calibration_texts']} texts; {min(clipped):.1%} to {max(clipped):.1%} of the "
        f"values of a set lie outside of them. Mean cosine of two texts of a set: "
        f"{min(cosines):.2f} to {max(cosines):.2f}.\n{machine('output_precision')}"
    )


def reranking() -> str:
    """The first stage, and rerankers in every engine."""
    found = results("rerank_quality")
    header = [""]
    for place in found["queries"]:
        header += [f"{SETS[place]} nDCG@10", "difference", "ranks", "same first"]
    header += ["pairs/s", "× PyTorch"]
    rows = []
    for name, one in found["contenders"].items():
        cells = [name]
        for of in one["sets"].values():
            differs = name != found["base"]
            cells += [
                f"{of['ndcg_at_10']:.4f}",
                interval(of["difference"], of["low"], of["high"]) if differs else "",
                f"{of['rank_correlation']:.4f}" if differs else "",
                f"{of['same_first']:.1%}" if differs else "",
            ]
        cells += ["", ""]
        if "ratio" in one:
            lowest, highest = one["lowest_ratio"], one["highest_ratio"]
            cells[-2] = f"{one['pairs_per_second']:.1f}"
            cells[-1] = f"{one['ratio']:.2f} ({lowest:.2f}–{highest:.2f})"
        rows.append(cells)
    asked = ", ".join(
        f"{count:,} of {found['held_out'][place]:,} of {SETS[place]}"
        for place, count in found["queries"].items()
    )
    bootstrap = found["bootstrap"]
    return markdown(header, rows, "l" + "r" * (len(header) - 1)) + (
        f"\nThe first {found['candidates']} documents of {found['first_stage']}, put in order; "
        f"held-out queries: {asked}. {found['rows']:,} rows, {found['threads']} threads. "
        "Difference to PyTorch, with its "
        f"{bootstrap['confidence']:.0%} interval over {bootstrap['resamples']:,} paired resamples "
        "of the queries; ranks: mean Spearman correlation with PyTorch's scores of a query's "
        "documents; same first: queries whose best document is PyTorch's. Last column: median of "
        f"{found['rounds']} rounds, and their lowest and highest.\n{machine('rerank_quality')}"
    )


def reranking_parity() -> str:
    """Logits of every variant on the reference pairs, as the bundle's manifest has them."""
    rows = [
        [
            f"`{r['name']}`",
            f"{r['correlation']:.6f}",
            f"{r['mean_error']:.6f}",
            f"{r['max_error']:.6f}",
            f"{r['ceiling']}",
        ]
        for r in results("rerank_quality")["parity"]
    ]
    header = ("variant", "correlation", "mean error", "largest error", "ceiling of the mean")
    return markdown(header, rows, "lrrrr")


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
    found = re.search(r"cosine ([\d.]+) .* mean ([\d.]+); its floor is ([\d.]+)", problem)
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


def install_size() -> str:
    """The packages of an installation without extras."""
    table = packages_table(results("install_size")[0])
    return markdown(table.header, table.rows, "llr") + f"\n`{record('install_size')['command']}`\n"


def install_extras() -> str:
    """What the adapters' libraries add to it."""
    return _from(extras_table(results("install_size"))) + (
        f"\n`{record('install_size')['command']}`\n"
    )


def search_quality(part: str) -> str:
    """One comparison of the sets: "search", "words" or "variants"."""
    found = results("search_quality")
    sets = found["sets"]
    header = [{"search": "ranking", "words": "terms", "variants": "questions by"}[part]]
    for place in sets:
        header += [f"{SETS[place]} nDCG@10", "difference"]
    rows = []
    for name in next(iter(sets.values()))[part]:
        cells = [f"`{name}`" if part == "variants" else name]
        for of in sets.values():
            one = of[part][name]
            cells.append(f"{one['ndcg_at_10']:.4f}")
            cells.append(interval(one["value"], one["low"], one["high"]) if "low" in one else "")
        rows.append(cells)
    counted = "variant_questions" if part == "variants" else "questions"
    sizes = "; ".join(
        f"{SETS[place]}: {of['documents']:,} documents, {of[counted]:,} questions"
        for place, of in sets.items()
    )
    indexed = (
        "" if part == "words" else f" The passages' vectors are those of `{found['variant']}`."
    )
    return markdown(header, rows, "l" + "r" * (len(header) - 1)) + (
        f"\nDifference to the first line, with its 95% interval. {sizes}.{indexed}\n"
        f"{machine('search_quality')}"
    )


def search_vectors() -> str:
    """The ways to store vectors, on two sets of them."""
    found = results("search_scale")["vectors"]
    header = ["vectors", "bytes"]
    for of in found.values():
        cosine = f"mean cosine {of['mean_cosine']:.2f}"
        header += [f"recall@10, {cosine}", "ms"]
    rows = []
    for ways in zip(*(of["ways"] for of in found.values()), strict=True):
        cells = [ways[0]["name"], f"{ways[0]['bytes']:,}"]
        for way in ways:
            cells += [f"{way['recall_at_10']:.1%}", f"{way['processor_p50_ms']:.1f}"]
        rows.append(cells)
    passages = max(one["passages"] for one in results("search_scale")["searches"])
    return markdown(header, rows, "l" + "r" * (len(header) - 1)) + (
        f"\n{passages:,} passages; the right half is the same vectors with one direction added to "
        "all. Milliseconds of processor time for the nearest hundred, the median.\n"
        f"{machine('search_scale')}"
    )


def search_scale() -> str:
    """Times of a search, and what indexing takes."""
    found = results("search_scale")
    header = ("passages", "bytes each", "", "question", "signs and vectors", "words", "all", "p95")
    rows = []
    for one in found["searches"]:
        for clock in ("wall", "processor"):
            steps = (
                f"{one[step][f'{clock}_p50_ms']:.1f}" for step in ("embed", "vectors", "words")
            )
            total = one["total"]
            rows.append(
                [
                    f"{one['passages']:,}",
                    f"{one['bytes_per_passage']:,.0f}",
                    {"wall": "by the clock, ms", "processor": "processor time, ms"}[clock],
                    *steps,
                    f"{total[f'{clock}_p50_ms']:.1f}",
                    f"{total[f'{clock}_p95_ms']:.1f}",
                ]
            )
    indexed = found["indexing"]
    return markdown(header, rows, "rrlrrrrr") + (
        "\nMedians of 200 questions in Korean and English, with the bundle inside the package, on "
        "files of one short line each; all: with fusing, reading the hits and their snippets, and "
        f"its 95th percentile. Of documents of the usual length, {indexed['passages']:,} "
        f"passages were indexed at {indexed['per_second']:.0f} passages/s, and take "
        f"{indexed['bytes_per_passage']:,.0f} bytes each, text included. The machine was shared "
        f"with other work.\n{machine('search_scale')}"
    )


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
    "comparison": comparison,
    "comparison_spread": lambda: _from(evidence.spreads(results("compare"))),
    "comparison_ratios": lambda: _from(evidence.ratios(results("compare"))),
    "comparison_best": lambda: _from(evidence.best_peers(results("compare"))),
    "comparison_failures": lambda: _from(evidence.failures(results("compare"))),
    "summary": lambda: summary("en"),
    "summary_ko": lambda: summary("ko"),
    "machine": lambda: machine_line("en"),
    "machine_ko": lambda: machine_line("ko"),
    "prune_fidelity": lambda: prune_fidelity("en"),
    "prune_fidelity_ko": lambda: prune_fidelity("ko"),
    "prune_sources": prune_sources,
    "leave_one_out": leave_one_out,
    "provenance": provenance,
    "other_languages": other_languages,
    "parity": parity,
    "quality": quality,
    "quality_differences": quality_differences,
    "pruning_loss": pruning_loss,
    "output_precision": output_precision,
    "reranking": reranking,
    "reranking_parity": reranking_parity,
    "sizes": sizes,
    "startup": startup,
    "latency": latency,
    "llama_choices": llama_choices,
    "model_call": model_call,
    "model_call_bars": model_call_bars,
    "end_to_end": end_to_end,
    "end_to_end_bars": end_to_end_bars,
    "memory": memory,
    "server_load": server_load,
    "load_cycles": load_cycles,
    "soak": soak,
    "contention": contention,
    "encoders": encoders,
    "checkpoint_shapes": checkpoint_shapes,
    "install_size": install_size,
    "install_extras": install_extras,
    "search_quality": lambda: search_quality("search"),
    "search_words": lambda: search_quality("words"),
    "search_variants": lambda: search_quality("variants"),
    "search_vectors": search_vectors,
    "search_scale": search_scale,
    "dataset_scale": dataset_scale,
    "dataset_cost": dataset_cost,
    "start": lambda: start_line("en"),
    "start_ko": lambda: start_line("ko"),
}


def render(document: str) -> str:
    """`document` with every region filled. Raises KeyError for a table that does not exist."""
    return _REGION.sub(
        lambda match: match[1] + "\n" + TABLES[match[2]]() + "\n" + match[3], document
    )


def picture() -> str:
    """docs/fidelity.svg."""
    pooled = [r for r in results("prune_fidelity") if r["source"] == "all"]
    lines = {
        name: [(r["rows"], r["identical_line_share"]) for r in pooled if r["language"] == code]
        for code, name in LANGUAGES["en"].items()
    }
    bars = {
        name: [(rows, bar) for (code_, rows), bar in BARS.items() if code_ == code]
        for code, name in LANGUAGES["en"].items()
    }
    return fidelity_svg(lines, bars)


def expected() -> dict[str, str]:
    """What every file should contain, by its path from the root."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
    compared, measured = results("compare"), results("quality")
    commands = [record(name)["command"] for name in ("compare", "quality")]
    return {
        **{name: render(text) for name, text in texts.items()},
        PICTURE: picture(),
        SIZE_PICTURE: evidence.size_plot(compared, measured),
        LATENCY_PICTURE: evidence.latency_plot(compared, measured),
        PAGE: evidence.page(compared, measured, commands, machine_line("en")),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing")
    arguments = parser.parse_args()
    code = 0
    for name, content in expected().items():
        path = ROOT / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        if arguments.check:
            print(f"{name} differs: run python benchmarks/render.py", file=sys.stderr)
            code = 1
        else:
            path.write_text(content, encoding="utf-8")
            print(f"wrote {name}")
    return code


if __name__ == "__main__":
    sys.exit(main())
