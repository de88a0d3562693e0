"""Tables of docs/quality.md, docs/output.md, docs/reranking.md and docs/parity.md."""

from collections.abc import Callable, Mapping

from quality.tables import SETS, differences, interval, scores

from documents.source import machine, markdown, results


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


TABLES: Mapping[str, Callable[[], str]] = {
    "parity": parity,
    "quality": quality,
    "quality_differences": quality_differences,
    "pruning_loss": pruning_loss,
    "output_precision": output_precision,
    "reranking": reranking,
    "reranking_parity": reranking_parity,
}
