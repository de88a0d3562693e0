"""Tables of a comparison, from what the results file holds."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

SETS = {
    "korsts": "KorSTS",
    "stsb": "STS-B",
    "ko_en_sts": "ko-en STS",
    "korquad": "KorQuAD",
    "cranfield": "Cranfield",
}
MEASURES = {"spearman": "Spearman", "ndcg_at_10": "nDCG@10", "recall_at_10": "recall@10"}

_MINUS = "\N{MINUS SIGN}"


def scores(results: Mapping[str, Any]) -> str:
    """The score of every model on every set, as Markdown."""
    return _table(results, results["models"], lambda found: f"{found['score']:.4f}")


def differences(results: Mapping[str, Any]) -> str:
    """Every model's difference to the base with its interval, as Markdown; the base has no row."""
    others = [name for name in results["models"] if name != results["base"]]
    return _table(
        results,
        others,
        lambda found: interval(found["difference"], found["low"], found["high"]),
    )


def interval(difference: float, low: float, high: float) -> str:
    """`+0.0036 [−0.0010, +0.0081]`."""
    return f"{_signed(difference)} [{_signed(low)}, {_signed(high)}]"


def _signed(value: float) -> str:
    # Adding 0 takes the sign from a zero.
    return f"{round(value, 4) + 0:+.4f}".replace("-", _MINUS)


def _table(
    results: Mapping[str, Any],
    names: Iterable[str],
    cell: Callable[[Mapping[str, float]], str],
) -> str:
    columns = [
        (place, measure)
        for place, measures in results["models"][results["base"]].items()
        for measure in measures
    ]
    lines = [
        ["model", *(f"{SETS[place]} {MEASURES[measure]}" for place, measure in columns)],
        ["---", *("---:" for _ in columns)],
    ]
    for name in names:
        of = results["models"][name]
        lines.append([name, *(cell(of[place][measure]) for place, measure in columns)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
