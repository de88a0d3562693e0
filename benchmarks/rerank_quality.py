"""Retrieval and speed of a reranker, in PyTorch and in every variant of its bundle.

    python benchmarks/rerank_quality.py CHECKPOINT BUNDLE --first MODEL --eval ../shared/eval \
        --cache DIR [--queries N] [--json FILE]

CHECKPOINT is what BUNDLE was built from, pruned with the same options: `ondol prune`. The first
stage, named as for benchmarks/quality, finds 20 documents for each query that standin_reranker.py
did not train on, and each contender puts them in order, one query in a call. Contenders are
CrossEncoder of sentence-transformers in float32, with PyTorch and with its own ONNX export, and
ondol. All are loaded in one process; they take turns, round after round, each on the same queries,
so that what else the machine does falls on all of them. Differences in nDCG@10 are to PyTorch, with
the 95% interval of a paired bootstrap over the queries.
"""

import argparse
import functools
import logging
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quality.bootstrap import CONFIDENCE, RESAMPLES, SEED, paired_difference, resample_counts
from quality.metrics import CUTOFF, Mean, RankCorrelation, ndcg, score
from quality.models import parse_model
from record import write_record
from rerank_sets import CANDIDATES, RerankSet, read_rerank_sets
from tqdm import tqdm

from ondol import Reranker
from ondol.cli.table import emit, format_table
from ondol.errors import OndolError
from ondol.manifest import Manifest
from ondol.runtime.cores import physical_cores
from ondol.runtime.reports import TruncationWarning

FIRST_STAGE = "first stage"
TORCH = "sentence-transformers, torch"
ONNX = "sentence-transformers, onnx"
ROUNDS = 5
QUERIES = 60

#: Pairs of a query and a document to (pairs,) float32 scores.
Predict = Callable[[list[tuple[str, str]]], NDArray[np.float32]]


@dataclass(frozen=True)
class Question:
    """A query with the candidates of the first stage.

    Attributes:
        pairs: with each candidate, best first.
        candidates: (candidates,) indices of the documents.
        grades: of the judged documents.
    """

    place: str
    pairs: list[tuple[str, str]]
    candidates: NDArray[np.intp]
    grades: Mapping[int, int]

    def ndcg(self, scores: NDArray[np.float32]) -> float:
        """nDCG@10 of the candidates in the order of `scores`, equal ones as they were."""
        order = np.argsort(-scores, kind="stable")[:CUTOFF]
        return ndcg(self.candidates[order].tolist(), self.grades)


@dataclass
class Run:
    """What one contender did.

    Attributes:
        scores: one array for each question.
        seconds: of each round.
    """

    scores: list[NDArray[np.float32]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def sample(one: RerankSet, count: int) -> list[Question]:
    """At most `count` of the held-out queries, drawn once and for all, in the set's order."""
    held_out = np.flatnonzero(one.held_out)
    drawn = np.random.default_rng(SEED).permutation(held_out)[:count]
    return [
        Question(
            one.name,
            [(one.queries[number], one.documents[place]) for place in one.candidates[number]],
            one.candidates[number],
            one.grades[number],
        )
        for number in np.sort(drawn)
    ]


def take_turns(contenders: Mapping[str, Predict], questions: Sequence[Question]) -> dict[str, Run]:
    """Every contender on every question, in rounds. Shows progress."""
    runs = {name: Run() for name in contenders}
    for predict in contenders.values():
        predict(questions[0].pairs)  # the first call prepares more than later ones
    with tqdm(total=len(contenders) * len(questions), unit="query") as bar:
        for part in np.array_split(np.arange(len(questions)), min(ROUNDS, len(questions))):
            for name, predict in contenders.items():
                started = time.perf_counter()
                found = [predict(questions[number].pairs) for number in part]
                runs[name].seconds.append(time.perf_counter() - started)
                runs[name].scores += found
                bar.update(len(part))
    return runs


def measured(questions: Sequence[Question], runs: Mapping[str, Run]) -> dict[str, Any]:
    """Quality by set and speed of every contender beside TORCH's, and of the first stage."""
    places = list(dict.fromkeys(question.place for question in questions))
    # The first stage's own order: its candidates come best first.
    as_found = [-np.arange(len(q.candidates), dtype=np.float32) for q in questions]
    every = {FIRST_STAGE: as_found, **{name: run.scores for name, run in runs.items()}}
    found: dict[str, Any] = {}
    for name, scores in every.items():
        sets = {}
        for place in places:
            chosen = [n for n, question in enumerate(questions) if question.place == place]
            sets[place] = _quality(
                [questions[n] for n in chosen],
                [scores[n] for n in chosen],
                [every[TORCH][n] for n in chosen],
            )
        found[name] = {"sets": sets}
        if name in runs:
            found[name] |= _speed(runs[name], runs[TORCH], sum(len(q.pairs) for q in questions))
    return found


def _quality(
    questions: Sequence[Question],
    scores: Sequence[NDArray[np.float32]],
    base: Sequence[NDArray[np.float32]],
) -> dict[str, float]:
    model, torch = (
        Mean(np.array([q.ndcg(s) for q, s in zip(questions, some, strict=True)]))
        for some in (scores, base)
    )
    correlations = [
        score(RankCorrelation(a.astype(np.float64), b.astype(np.float64)))
        for a, b in zip(scores, base, strict=True)
    ]
    difference = paired_difference(model, torch, resample_counts(len(questions)))
    same_first = [a.argmax() == b.argmax() for a, b in zip(scores, base, strict=True)]
    return {
        "ndcg_at_10": score(model),
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "rank_correlation": float(np.mean(correlations)),
        "same_first": float(np.mean(same_first)),
    }


def _speed(run: Run, base: Run, pairs: int) -> dict[str, float]:
    ratios = [theirs / ours for ours, theirs in zip(run.seconds, base.seconds, strict=True)]
    return {
        "pairs_per_second": pairs / sum(run.seconds),
        "ratio": statistics.median(ratios),
        "lowest_ratio": min(ratios),
        "highest_ratio": max(ratios),
    }


def open_contenders(
    checkpoint: Path, bundle: Path, stack: ExitStack
) -> Iterator[tuple[str, Predict]]:
    """Each by its name; what has to be closed goes onto `stack`."""
    # Before ondol's: its OMP_WAIT_POLICY, set where llama.cpp is loaded, is not meant for PyTorch.
    import torch
    from sentence_transformers import CrossEncoder

    torch.set_num_threads(physical_cores())  # as many as ondol and onnxruntime take
    logging.disable(logging.WARNING)
    for name, backend, options in (
        (TORCH, "torch", {}),
        (ONNX, "onnx", {"provider": "CPUExecutionProvider", "export": True}),
    ):
        encoder = CrossEncoder(str(checkpoint), device="cpu", backend=backend, model_kwargs=options)
        yield name, functools.partial(encoder.predict, show_progress_bar=False)
    for record in Manifest.read(bundle).variants:
        reranker = stack.enter_context(Reranker(bundle, variant=record.name.value))
        yield f"ondol {record.name.value}", reranker.predict


def as_text(found: Mapping[str, Any]) -> str:
    """The table for the terminal."""
    places = list(found[FIRST_STAGE]["sets"])
    header = ["contender"]
    for place in places:
        header += [f"{place} nDCG@10", "difference", "ranks", "same first"]
    header += ["pairs/s", "ratio"]
    rows = []
    for name, one in found.items():
        cells = [name]
        for place in places:
            sets = one["sets"][place]
            cells += [f"{sets['ndcg_at_10']:.4f}", f"{sets['difference']:+.4f}"]
            cells += [f"{sets['rank_correlation']:.4f}", f"{sets['same_first']:.3f}"]
        speed = (f"{one['pairs_per_second']:.1f}", f"{one['ratio']:.2f}") if "ratio" in one else ""
        rows.append([*cells, *(speed or ("-", "-"))])
    return format_table(header, rows)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="the pruned reranker")
    parser.add_argument("bundle", type=Path, help="its bundle")
    parser.add_argument("--first", required=True, metavar="MODEL", help="the first stage")
    parser.add_argument("--eval", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--cache", type=Path, required=True, help="folder for its vectors")
    parser.add_argument("--queries", type=int, default=QUERIES, help=f"a set, default {QUERIES}")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    try:
        return _run(options)
    except OndolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    # Every contender cuts long pairs alike.
    warnings.simplefilter("ignore", TruncationWarning)
    manifest = Manifest.read(options.bundle)
    first = parse_model(options.first)
    sets = read_rerank_sets(options.eval, first, options.cache)
    drawn = [sample(one, options.queries) for one in sets]
    questions = [question for several in drawn for question in several]
    # Mixed, so that every round has queries of both sets.
    order = np.random.default_rng(SEED).permutation(len(questions))
    questions = [questions[number] for number in order]
    with ExitStack() as stack:
        contenders = dict(open_contenders(options.checkpoint, options.bundle, stack))
        found = measured(questions, take_turns(contenders, questions))
    emit(as_text(found))
    results = {
        "base": TORCH,
        "first_stage": first.name,
        "rows": manifest.vocabulary.rows,
        "candidates": CANDIDATES,
        "queries": {one.name: len(several) for one, several in zip(sets, drawn, strict=True)},
        "held_out": {one.name: int(one.held_out.sum()) for one in sets},
        "rounds": min(ROUNDS, len(questions)),
        "threads": physical_cores(),
        "bootstrap": {"resamples": RESAMPLES, "confidence": CONFIDENCE},
        "contenders": found,
        "parity": [
            {"name": record.name.value, "bytes": record.bytes, **asdict(record.score_parity)}
            for record in manifest.variants
        ],
    }
    if options.json:
        write_record(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
