"""Tables of docs/search.md."""

from collections.abc import Callable, Mapping

from quality.tables import SETS, interval

from documents.source import machine, markdown, results


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


TABLES: Mapping[str, Callable[[], str]] = {
    "search_quality": lambda: search_quality("search"),
    "search_words": lambda: search_quality("words"),
    "search_variants": lambda: search_quality("variants"),
    "search_vectors": search_vectors,
    "search_scale": search_scale,
}
