"""ondol beside its peers: bytes, start, latency, throughput, memory, distance to PyTorch.

    python benchmarks/compare.py BUNDLE PEERS --eval ../shared/eval

BUNDLE and PEERS are made of one checkpoint (`ondol build CHECKPOINT --keep-vocab`, make_peers.py),
so that all run the same weights on the same strings, prompts included, cut at 512 tokens. Made of
the checkpoint before it was pruned, the peers are what a user without ondol has; the numbers of
rows are printed. Every
variant of the bundle takes part, with every engine that is installed for it, and llama-cpp-python
on the bundle's gguf-q8_0. Each module of benchmarks/peers says how its peer is set up, which is as
its own documentation recommends.

A turn of a contender is a fresh process: started, the model loaded, one short text embedded (the
cold start, with files in the page cache after the first round); one text at a time of 16, 64, 256
and 512 tokens, the median of several calls after two that are not timed; questions and paragraphs
of KorQuAD in one call; the most memory that it had until then. Contenders take turns, round after
round, so that a busy moment of the machine hits all alike. Reported are the median of the rounds,
the lowest and the highest, and the ratio of medians to ondol's onnx-int8: above 1, ondol is better.

A contender that fails says why and the others go on. Ctrl-C prints what was measured until then.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from latency import LENGTHS, mixed_texts, text_of_length
from numpy.typing import NDArray
from peers import llama_embed, ondol_variants, sentence_transformers_torch
from peers.contender import Contender
from peers.places import read_reasons
from peers.process import PeerError, PeerProcess
from peers.registry import peer_contenders
from record import median, write_record

from ondol import Embedder
from ondol.engine import Engine
from ondol.errors import InputError, OndolError
from ondol.manifest import Manifest
from ondol.runtime.cores import physical_cores
from ondol.runtime.similarity import rowwise_cosine
from ondol.variants import Variant

OURS = ondol_variants.name(Variant.ONNX_INT8.value)
REFERENCE = sentence_transformers_torch.NAME

#: llama.cpp's own run of the same file.
LLAMA_VARIANT = Variant.GGUF_Q8_0

#: Seconds before a turn, for threads of the one before that spin after their last work.
PAUSE = 0.5


@dataclass(frozen=True)
class Column:
    """One measured quantity.

    Attributes:
        scale: of the value in the table; the record keeps bytes and seconds.
    """

    key: str
    title: str
    scale: float
    digits: int
    more_is_better: bool = False


COLUMNS = (
    Column("bytes", "MB", 1e-6, 1),
    Column("cold_start_seconds", "start s", 1, 2),
    *(Column(f"seconds_{n}", f"{n} ms", 1e3, 2) for n in LENGTHS),
    Column("tokens_per_second", "tokens/s", 1, 0, more_is_better=True),
    Column("peak_bytes", "peak MB", 1e-6, 0),
)


@dataclass(frozen=True)
class Workload:
    """The texts that all get.

    Attributes:
        singles: by number of tokens, `<s>` and `</s>` included.
        tokens: of all of `mixed`, as ondol counts them.
    """

    singles: Mapping[int, str]
    mixed: Sequence[str]
    tokens: int


@dataclass
class Measured:
    """What the turns of one contender gave.

    Attributes:
        turns: value by key of COLUMNS, one mapping for each turn that came to its end.
        vectors: (texts, dim) float32, of the mixed texts.
        failure: why it did not run, or not to the end.
    """

    contender: Contender
    turns: list[Mapping[str, float]] = field(default_factory=list)
    vectors: NDArray[np.float32] | None = None
    versions: Mapping[str, str | None] = field(default_factory=dict)
    failure: str | None = None


def contenders(bundle: Path, manifest: Manifest, peers: Path) -> list[Contender]:
    """ondol's variants with every engine that is installed for them, then all peers."""
    result = []
    for record in manifest.variants:
        files = (record.path, manifest.tokenizer.path)
        for engine in Engine:
            if engine.runs(record.name) and find_spec(engine.module):
                named = None if engine is Engine.of(record.name) else engine.value
                result.append(ondol_variants.contender(bundle, record.name.value, files, named))
    result += peer_contenders(peers)
    result += llama_embed.contenders(bundle / LLAMA_VARIANT.path, LLAMA_VARIANT.value)
    return result


def peer_rows(manifest: Manifest, peers: Path) -> int:
    """Embedding rows of the peers' checkpoint; more than the bundle's if that alone was pruned.

    Raises InputError if it has other layers than the bundle.
    """
    config = json.loads(
        (peers / sentence_transformers_torch.FOLDER / "config.json").read_text(encoding="utf-8")
    )
    got, expected = manifest.architecture.layers, config["num_hidden_layers"]
    if got != expected:
        raise InputError(
            f"the bundle has {got} layers but the peers' checkpoint has {expected}; "
            "make both of one checkpoint"
        )
    rows: int = config["vocab_size"]
    return rows


def workload(bundle: Path, folder: Path, questions: int, paragraphs: int) -> Workload:
    """Texts of KorQuAD. Raises InputError if the folder does not have them."""
    mixed = mixed_texts(folder, questions, paragraphs)
    # Single texts do not change with the size of the mix.
    long = [text for text in mixed_texts(folder, 1, 64) if text.startswith("passage: ")]
    with Embedder(bundle, check="quick") as model:
        singles = {length: text_of_length(model, long, length) for length in LENGTHS}
        tokens = int(model.embed(mixed).token_counts.sum())
    return Workload(singles, mixed, tokens)


def measure(
    wanted: Sequence[Contender], peers: Path, work: Workload, rounds: int, threads: int
) -> list[Measured]:
    """All contenders, in the order given; on Ctrl-C, what was measured until then."""
    reasons = read_reasons(peers)
    found = [
        Measured(contender, failure=_unmade(contender, peers, reasons)) for contender in wanted
    ]
    try:
        for number in range(rounds):
            for one in found:
                if one.failure is None:
                    print(f"round {number + 1} of {rounds}: {one.contender.name}", file=sys.stderr)
                    take_turn(one, peers, work, threads)
    except KeyboardInterrupt:
        print("stopped; what follows was measured until then", file=sys.stderr)
    return found


def _unmade(contender: Contender, peers: Path, reasons: Mapping[str, str]) -> str | None:
    """Why make_peers.py could not make what it needs; None if it could."""
    folder = contender.source.name if contender.source.parent == peers else ""
    return reasons.get(f"environments/{contender.environment}") or reasons.get(folder)


def take_turn(one: Measured, peers: Path, work: Workload, threads: int) -> None:
    """One fresh process; its numbers, or why there are none, go into `one`."""
    time.sleep(PAUSE)
    try:
        with PeerProcess(one.contender, peers, threads) as process:
            process.load()
            process.seconds([work.singles[LENGTHS[0]]])
            turn = {
                "bytes": float(one.contender.bytes_on_disk()),
                "cold_start_seconds": time.perf_counter() - process.started,
            }
            for length, text in work.singles.items():
                calls = max(7, min(64, 2048 // length))
                process.seconds([text], calls=2)
                turn[f"seconds_{length}"] = median(process.seconds([text], calls=calls))
            process.seconds(work.mixed[::8])  # engines prepare for shapes that they meet
            spent, vectors = process.encode(work.mixed)
            turn["tokens_per_second"] = work.tokens / spent
            described = process.describe()
            turn["peak_bytes"] = float(described.peak_bytes)
    except PeerError as error:
        one.failure = str(error)
        print(f"{one.contender.name}: {error}", file=sys.stderr)
        return
    one.turns.append(turn)
    one.vectors, one.versions = vectors, described.versions


def records(found: Sequence[Measured]) -> list[dict[str, Any]]:
    """One per contender: its numbers, its distance to PyTorch, and how much better ondol is."""
    vectors = {one.contender.name: one.vectors for one in found}
    result: list[dict[str, Any]] = [
        {
            "name": one.contender.name,
            "failure": one.failure,
            "turns": len(one.turns),
            "versions": dict(one.versions),
            "numbers": _numbers(one.turns),
            "cosine_to_torch": cosine(one.vectors, vectors.get(REFERENCE)),
        }
        for one in found
    ]
    ours = next((r["numbers"] for r in result if r["name"] == OURS), {})
    for record in result:
        record["ratios"] = ratios(record["numbers"], ours)
    return result


def _numbers(turns: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    if not turns:
        return {}
    found = {}
    for column in COLUMNS:
        values = [turn[column.key] for turn in turns]
        found[column.key] = {"median": median(values), "low": min(values), "high": max(values)}
    return found


def ratios(numbers: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, float]:
    """By key of COLUMNS, how many times better `ours` is: smaller, faster. Empty without both."""
    if not numbers or not ours:
        return {}
    found = {}
    for column in COLUMNS:
        theirs, own = numbers[column.key]["median"], ours[column.key]["median"]
        found[column.key] = round(own / theirs if column.more_is_better else theirs / own, 3)
    return found


def cosine(
    vectors: NDArray[np.float32] | None, reference: NDArray[np.float32] | None
) -> dict[str, float] | None:
    """Mean and least over the texts; None if one is missing or they have other dimensions."""
    if vectors is None or reference is None or vectors.shape != reference.shape:
        return None
    values = rowwise_cosine(vectors, reference)
    return {"mean": round(float(values.mean()), 5), "min": round(float(values.min()), 5)}


def best_peers(found: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By key of COLUMNS, the name and ratio of the best peer that computes the model's vectors.

    One without a cosine to PyTorch (model2vec) is another model, and left out.
    """
    peers = [
        r
        for r in found
        if not r["name"].startswith("ondol ") and r["ratios"] and r["cosine_to_torch"]
    ]
    result = {}
    for column in COLUMNS:
        if peers:
            best = min(peers, key=lambda r: r["ratios"][column.key])
            result[column.key] = {"name": best["name"], "ratio": best["ratios"][column.key]}
    return result


def as_text(results: Mapping[str, Any]) -> str:
    """The tables for the terminal."""
    found = results["contenders"]
    ran = [r for r in found if r["numbers"]]
    lines = [
        f"{results['texts']} texts, {results['tokens']:,} tokens, {results['threads']} threads; "
        f"rows of the vocabulary: ondol {results['rows']:,}, peers {results['peer_rows']:,}",
        "",
        _row("median", [c.title for c in COLUMNS] + ["cosine", "least"]),
    ]
    for r in ran:
        near = r["cosine_to_torch"]
        cells = [_cell(c, r["numbers"][c.key]["median"]) for c in COLUMNS]
        cells += [f"{near['mean']:.5f}", f"{near['min']:.5f}"] if near else ["-", "-"]
        lines.append(_row(r["name"], cells))
    lines += ["", _row("lowest to highest", [c.title for c in COLUMNS], 18)]
    for r in ran:
        spans = (
            f"{_cell(c, r['numbers'][c.key]['low'])}-{_cell(c, r['numbers'][c.key]['high'])}"
            for c in COLUMNS
        )
        lines.append(_row(r["name"], spans, 18))
    lines += ["", _row(f"{OURS} is better, times", [c.title for c in COLUMNS])]
    lines += [
        _row(r["name"], (f"{r['ratios'][c.key]:.2f}" for c in COLUMNS)) for r in ran if r["ratios"]
    ]
    lines.append("")
    titles = {c.key: c.title for c in COLUMNS}
    lines += [
        f"best peer, {titles[key]}: {best['name']} ({best['ratio']:.2f})"
        for key, best in results["best_peers"].items()
    ]
    lines += [f"{r['name']}: {r['failure']}" for r in found if r["failure"]]
    return "\n".join(lines)


def _cell(column: Column, value: float) -> str:
    return f"{value * column.scale:,.{column.digits}f}"


def _row(name: str, cells: Any, width: int = 10) -> str:
    return f"{name:<46}" + "".join(f"{cell:>{width}}" for cell in cells)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("peers", type=Path, help="what make_peers.py wrote")
    parser.add_argument("--eval", type=Path, required=True, help="folder with korquad/")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument(
        "--threads", type=int, default=physical_cores(), help="default: physical cores"
    )
    parser.add_argument("--questions", type=int, default=200, help="default 200")
    parser.add_argument("--paragraphs", type=int, default=100, help="default 100")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        manifest = Manifest.read(arguments.bundle)
        rows = peer_rows(manifest, arguments.peers)
        wanted = contenders(arguments.bundle, manifest, arguments.peers)
        work = workload(arguments.bundle, arguments.eval, arguments.questions, arguments.paragraphs)
        measured = measure(wanted, arguments.peers, work, arguments.rounds, arguments.threads)
    except FileNotFoundError as error:
        print(f"error: {error.filename} is missing; make_peers.py writes it", file=sys.stderr)
        return 1
    except OndolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found = records(measured)
    results = {
        "rounds": arguments.rounds,
        "threads": arguments.threads,
        "layers": manifest.architecture.layers,
        "rows": manifest.vocabulary.rows,
        "peer_rows": rows,
        "texts": len(work.mixed),
        "tokens": work.tokens,
        "contenders": found,
        "best_peers": best_peers(found),
    }
    print(as_text(results))
    if arguments.json:
        write_record(arguments.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
