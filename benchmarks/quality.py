"""Retrieval and similarity quality of checkpoints and bundles, on the same sets.

    python benchmarks/quality.py --eval ../shared/eval MODEL... [--json FILE]

MODEL is a checkpoint directory (run by sentence-transformers, float32), a bundle directory, or
`BUNDLE:VARIANT`, each with or without `NAME=` before it for the table. The first MODEL is what the
others are compared with.

KorSTS and STS-B test: Spearman of the cosine with the score, times 100; every sentence with the
prompt `query: `. KorQuAD and Cranfield: nDCG@10, queries with `query: `, documents with
`passage: `, as the E5 model cards ask.
"""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from record import write_record

from ondol.runtime.similarity import cosine_similarity, rowwise_cosine

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Quality:
    """One model's scores: Spearman times 100, and nDCG@10 from 0 to 1."""

    korsts: float
    stsb: float
    korquad: float
    cranfield: float


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Rank correlation; ties get their mean rank (Spearman 1904, as scipy.stats.spearmanr)."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + 1 + last) / 2)[inverse]


def ndcg_at_10(ranking: Sequence[str], relevance: dict[str, int]) -> float:
    """nDCG@10 with linear gain, as trec_eval's ndcg_cut (Järvelin and Kekäläinen 2002)."""
    discounts = 1 / np.log2(np.arange(2, 12))
    gains = [relevance.get(document, 0) for document in ranking[:10]]
    ideal = sorted(relevance.values(), reverse=True)[:10]
    best = float(np.dot(ideal, discounts[: len(ideal)]))
    return float(np.dot(gains, discounts[: len(gains)])) / best if best else 0.0


def sts(encode: Encode, path: Path) -> float:
    """Spearman times 100 of one STS file: score, sentence, sentence, tab-separated."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    scores = np.array([float(row[0]) for row in rows])
    left, right = (encode([f"query: {row[column]}" for row in rows]) for column in (1, 2))
    return 100 * spearman(rowwise_cosine(left, right), scores)


def retrieval(encode: Encode, folder: Path) -> float:
    """Mean nDCG@10 over the queries of a set in BEIR form."""
    corpus, queries = (_jsonl(folder / f"{name}.jsonl") for name in ("corpus", "queries"))
    relevance: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        relevance.setdefault(query, {})[document] = int(grade)
    texts = [f"passage: {(d.get('title', '') + ' ' + d['text']).strip()}" for d in corpus]
    documents = encode(texts)
    judged = [query for query in queries if query["_id"] in relevance]
    vectors = encode([f"query: {query['text']}" for query in judged])
    ids = [document["_id"] for document in corpus]
    total = 0.0
    for query, scores in zip(judged, cosine_similarity(vectors, documents), strict=True):
        # A stable order among equal scores, so that two runs agree.
        best = np.argsort(-scores, kind="stable")[:10]
        total += ndcg_at_10([ids[index] for index in best], relevance[query["_id"]])
    return total / len(judged)


def _jsonl(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure(encode: Encode, folder: Path) -> Quality:
    """All four sets in `folder`."""
    return Quality(
        korsts=sts(encode, folder / "korsts" / "test.tsv"),
        stsb=sts(encode, folder / "stsb_en" / "test.tsv"),
        korquad=retrieval(encode, folder / "korquad"),
        cranfield=retrieval(encode, folder / "cranfield"),
    )


def load(model: str) -> Encode:
    """The encoder that `model` names (see the module)."""
    name, _, variant = model.partition(":")
    if (Path(name) / "ondol.json").is_file():
        from ondol import Embedder

        embedder = Embedder(name, variant=variant or None)
        return lambda texts: embedder.encode(list(texts), show_progress_bar=True)
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(name, device="cpu")
    return lambda texts: reference.encode(
        list(texts), batch_size=32, show_progress_bar=True, convert_to_numpy=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--eval", type=Path, required=True, help="folder with the four sets")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    results: dict[str, Quality] = {}
    for argument in options.models:
        name, separator, model = argument.partition("=")
        print(argument, file=sys.stderr)
        measured = measure(load(model if separator else argument), options.eval)
        results[name if separator else Path(argument).name] = measured
    first = next(iter(results.values()))
    print("| model | KorSTS | STS-B | KorQuAD nDCG@10 | Cranfield nDCG@10 |")
    print("| --- | --- | --- | --- | --- |")
    for model, quality in results.items():
        cells = [
            f"{value:.{digits}f} ({value - base:+.{digits}f})"
            for value, base, digits in (
                (quality.korsts, first.korsts, 2),
                (quality.stsb, first.stsb, 2),
                (quality.korquad, first.korquad, 4),
                (quality.cranfield, first.cranfield, 4),
            )
        ]
        print(f"| {model} | {' | '.join(cells)} |")
    if options.json:
        write_record(options.json, {name: asdict(quality) for name, quality in results.items()})


if __name__ == "__main__":
    main()
