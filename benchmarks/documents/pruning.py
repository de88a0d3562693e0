"""Tables of docs/pruning.md, and its picture."""

from collections.abc import Callable, Mapping

from fidelity_svg import fidelity_svg

from documents.source import machine, markdown, results

#: Of the issue that asked for the pruner: share of lines that must keep their segmentation.
BARS = {("ko", 48_000): 0.99, ("en", 48_000): 0.95, ("ko", 41_348): 0.985, ("en", 41_348): 0.92}


LANGUAGES = {"en": {"ko": "Korean", "en": "English"}, "ko": {"ko": "한국어", "en": "영어"}}


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


TABLES: Mapping[str, Callable[[], str]] = {
    "prune_fidelity": lambda: prune_fidelity("en"),
    "prune_fidelity_ko": lambda: prune_fidelity("ko"),
    "prune_sources": prune_sources,
    "leave_one_out": leave_one_out,
    "provenance": provenance,
    "other_languages": other_languages,
}
