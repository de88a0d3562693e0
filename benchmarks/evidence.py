"""ondol beside its peers: tables, two plots and a page, from the results of compare.py and quality.

Speed and size are measured on the shape of multilingual-e5-small, quality on the stand-in, whose
weights are trained: render.py says so wherever these appear.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from peers import sentence_transformers_torch
from quality.tables import MEASURES, SETS, interval

from ondol.benchmarks.axis import Axis
from ondol.benchmarks.html import html_page, html_table
from ondol.benchmarks.plots import Point, scatter
from ondol.benchmarks.tables import ABSENT, Table

#: Columns of compare.json: key, title, factor, digits after the point.
COLUMNS = (
    ("bytes", "MB", 1e-6, 1),
    ("cold_start_seconds", "start, s", 1, 2),
    ("seconds_16", "16 tokens, ms", 1e3, 1),
    ("seconds_64", "64 tokens, ms", 1e3, 1),
    ("seconds_256", "256 tokens, ms", 1e3, 1),
    ("seconds_512", "512 tokens, ms", 1e3, 0),
    ("tokens_per_second", "tokens/s", 1, 0),
    ("peak_bytes", "peak MB", 1e-6, 0),
)

#: The header of `medians` in Korean.
HEADER_KO = (
    "", "MB", "시작, 초", "16토큰, ms", "64토큰, ms", "256토큰, ms", "512토큰, ms", "토큰/초",
    "최대 MB", "품질 유지",
)  # fmt: skip

#: The length whose latency stands in the plot.
PLOTTED = "seconds_64"

#: One measure of each set, whose shares of the base's score are averaged.
KEPT = {
    "korsts": "spearman",
    "stsb": "spearman",
    "korquad": "ndcg_at_10",
    "cranfield": "ndcg_at_10",
}

OURS = "ondol "

#: Contenders that run the weights or the file of another, whose quality stands for theirs.
SAME_VECTORS = {
    sentence_transformers_torch.NAME: "ondol onnx-fp32",
    "ondol onnx-fp32, openvino": "ondol onnx-fp32",
    "sentence-transformers, onnx float": "ondol onnx-fp32",
    "sentence-transformers, openvino float": "ondol onnx-fp32",
    "fastembed, onnx float": "ondol onnx-fp32",
    "fastembed, onnx int8": "sentence-transformers, onnx int8",
    "optimum ORTModel, onnx int8": "sentence-transformers, onnx int8",
    "CTranslate2 int8, inter_threads": "CTranslate2 int8, intra_threads",
    "llama-cpp-python gguf-q8_0": "ondol gguf-q8_0",
    "llama-cpp-python gguf-q8_0, flash attention": "ondol gguf-q8_0",
}

#: What users of the checkpoint have without any of this.
REFERENCE = sentence_transformers_torch.NAME


def kept(quality: Mapping[str, Any]) -> dict[str, float]:
    """By model, the mean over four sets of its score as a share of the base's."""
    base = quality["models"][quality["base"]]
    return {
        name: sum(of[place][m]["score"] / base[place][m]["score"] for place, m in KEPT.items())
        / len(KEPT)
        for name, of in quality["models"].items()
    }


def quality_of(name: str, shares: Mapping[str, float]) -> float | None:
    """Of a contender of compare.json; None if its quality was not measured."""
    named = SAME_VECTORS.get(name, name)
    ours = f"48,000 rows, {named.removeprefix(OURS)}"
    return shares.get(ours if named.startswith(OURS) else named)


def medians(compared: Mapping[str, Any], quality: Mapping[str, Any]) -> Table:
    """Every contender that ran: what it takes, and what is left of the model's quality."""
    shares = kept(quality)
    rows = []
    for one in _ran(compared):
        share = quality_of(one["name"], shares)
        rows.append(
            (
                one["name"],
                *(_cell(one, key, "median", factor, digits) for key, _, factor, digits in COLUMNS),
                ABSENT if share is None else f"{share:.1%}",
            )
        )
    return Table(
        "medians. MB: weights and tokenizer. start: from process start to the first vector. One "
        f"text at a time, and {compared['texts']} mixed texts in one call, on "
        f"{compared['threads']} threads. kept: mean share of the whole float32 model's scores on "
        "KorSTS, STS-B, KorQuAD and Cranfield; that of float32, and of a file that several run, is "
        "measured once",
        ("", *(title for _, title, _, _ in COLUMNS), "kept"),
        tuple(rows),
    )


def highlights(compared: Mapping[str, Any], quality: Mapping[str, Any]) -> Table:
    """As `medians`: ondol, PyTorch, and of the peers those that are best in a column."""
    best = {peer["name"] for peer in compared["best_peers"].values()} | {REFERENCE}
    table = medians(compared, quality)
    rows = tuple(row for row in table.rows if row[0].startswith(OURS) or row[0] in best)
    return Table(table.caption, table.header, rows)


def spreads(compared: Mapping[str, Any]) -> Table:
    """Lowest and highest turn of every contender."""
    rows = [
        (
            one["name"],
            *(
                f"{_cell(one, key, 'low', factor, digits)}–"
                f"{_cell(one, key, 'high', factor, digits)}"
                for key, _, factor, digits in COLUMNS[1:]
            ),
        )
        for one in _ran(compared)
    ]
    return Table(
        f"lowest to highest of {compared['rounds']} turns",
        ("", *(title for _, title, _, _ in COLUMNS[1:])),
        tuple(rows),
    )


def ratios(compared: Mapping[str, Any]) -> Table:
    """How many times better ondol's onnx-int8 is."""
    rows = [
        (one["name"], *(f"{one['ratios'][key]:.2f}" for key, *_ in COLUMNS))
        for one in _ran(compared)
    ]
    return Table(
        "how many times better ondol onnx-int8 is: smaller, faster, sooner; below 1 it is behind",
        ("", *(title for _, title, _, _ in COLUMNS)),
        tuple(rows),
    )


def best_peers(compared: Mapping[str, Any]) -> Table:
    """Who is best in each column beside ondol, and by how much ondol's onnx-int8 is better."""
    titles = {key: title for key, title, _, _ in COLUMNS}
    return Table(
        "peers that give the model's vectors; above 1 ondol onnx-int8 is better",
        ("", "best peer", "ratio"),
        tuple(
            (titles[key], best["name"], f"{best['ratio']:.2f}")
            for key, best in compared["best_peers"].items()
        ),
    )


def failures(compared: Mapping[str, Any]) -> Table:
    """Who could not run, and why."""
    return Table(
        "why a peer has no numbers",
        ("", "reason"),
        tuple((one["name"], one["failure"]) for one in compared["contenders"] if one["failure"]),
    )


def quality_differences(quality: Mapping[str, Any]) -> Table:
    """Difference to the whole float32 model, with its interval."""
    base = quality["base"]
    columns = [(place, m) for place, of in quality["models"][base].items() for m in of]
    rows = []
    for name, of in quality["models"].items():
        found = [of[place][measure] for place, measure in columns]
        if name != base:
            cells = [interval(f["difference"], f["low"], f["high"]) for f in found]
            rows.append((name, *cells))
    return Table(
        f"difference to {base}, with its 95% interval (paired bootstrap)",
        ("", *(f"{SETS[place]} {MEASURES[measure]}" for place, measure in columns)),
        tuple(rows),
    )


def size_plot(compared: Mapping[str, Any], quality: Mapping[str, Any]) -> str:
    """Size against quality, an SVG document. One file in several engines is one point."""
    return scatter(
        "Size against quality",
        [
            point
            for name, point in _points(compared, quality, "bytes", 1e-6)
            if name not in SAME_VECTORS or name == REFERENCE
        ],
        Axis("weights and tokenizer, MB", log=True),
        Axis("quality kept, %"),
    )


def latency_plot(compared: Mapping[str, Any], quality: Mapping[str, Any]) -> str:
    """Latency against quality, an SVG document."""
    return scatter(
        f"Latency against quality, {compared['threads']} threads",
        [point for _, point in _points(compared, quality, PLOTTED, 1e3)],
        Axis("one text of 64 tokens, ms", log=True),
        Axis("quality kept, %"),
    )


def page(
    compared: Mapping[str, Any], quality: Mapping[str, Any], commands: Sequence[str], machine: str
) -> str:
    """Everything in one HTML page that opens offline."""
    sections = {
        "Side by side": medians(compared, quality),
        "Spread": spreads(compared),
        "ondol onnx-int8 against each": ratios(compared),
        "The best peer of each column": best_peers(compared),
        "Not run": failures(compared),
        "Quality, differences": quality_differences(quality),
    }
    plots = "".join(
        f"<figure>{svg}</figure>\n"
        for svg in (size_plot(compared, quality), latency_plot(compared, quality))
    )
    tables = "".join(
        f"<h2>{escape(name)}</h2>\n{html_table(table)}\n"
        for name, table in sections.items()
        if table.rows
    )
    reproduce = "".join(f"<li><code>{escape(command)}</code></li>\n" for command in commands)
    return html_page(
        "ondol beside its peers",
        f"<p>Sizes and speed: {compared['layers']} layers, ondol {compared['rows']:,} and peers "
        f"{compared['peer_rows']:,} rows, the shape of multilingual-e5-small. Quality: the "
        f"stand-in, 6 layers with trained weights.</p>\n{plots}{tables}"
        f"<h2>Machine and commands</h2>\n<p>{escape(machine)}</p>\n<ul>\n{reproduce}</ul>\n",
    )


def _points(
    compared: Mapping[str, Any], quality: Mapping[str, Any], key: str, factor: float
) -> list[tuple[str, Point]]:
    """A point for each contender whose quality is known, with its name."""
    shares = kept(quality)
    points = []
    for one in _ran(compared):
        share = quality_of(one["name"], shares)
        if share is not None:
            ours = one["name"].startswith(OURS)
            point = Point(
                one["name"].removeprefix(OURS),
                one["numbers"][key]["median"] * factor,
                100 * share,
                "ondol" if ours else "peers",
            )
            points.append((one["name"], point))
    return points


def _ran(compared: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in compared["contenders"] if one["numbers"]]


def _cell(one: Mapping[str, Any], key: str, which: str, factor: float, digits: int) -> str:
    return f"{one['numbers'][key][which] * factor:,.{digits}f}"
