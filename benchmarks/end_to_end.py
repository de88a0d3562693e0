"""Strings to vectors: seconds for many texts, against the bars of the issue "Fast and faithful".

    python benchmarks/end_to_end.py BUNDLE PEERS --eval ../shared/eval

BUNDLE and PEERS are made of one checkpoint (twelve_layers.py, `ondol build`, make_peers.py). The
texts are questions and paragraphs of KorQuAD with E5's prompts, in one call of each engine's own
`encode` or `embed`, tokenizing and pooling included. The peers are those that the issue names:
sentence-transformers with PyTorch, with its dynamic int8 file in onnxruntime, and with its static
int8 file in OpenVINO; and, for every gguf variant, llama-cpp-python's `Llama.embed` on the same
file, as it is by default and with flash attention. compare.py has all peers, and more than time.

Every engine runs in a process of its own, with the same number of threads for the model and for
tokenizing; all stay open and take turns, round after round, so that a busy moment of the machine
hits all alike. The median is reported, and the ratios are held against the bars.

The share of the int8 peak counts two operations for each encoder matrix parameter and token that is
not padding. The products of attention are left out, and int8_peak.py measures the peak in the same
run.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from bars import passed
from int8_peak import int8_peak
from latency import mixed_texts
from numpy.typing import NDArray
from peers import (
    llama_embed,
    ondol_variants,
    sentence_transformers_onnx,
    sentence_transformers_openvino,
    sentence_transformers_torch,
)
from peers.contender import Contender
from peers.process import PeerProcess
from peers.registry import peer_contenders
from record import median, write_record

from ondol.engine import Engine
from ondol.errors import OndolError
from ondol.manifest import Manifest
from ondol.runtime.cores import physical_cores
from ondol.runtime.similarity import rowwise_cosine
from ondol.runtime.tokenize import TextTokenizer
from ondol.variants import Variant

#: Seconds between turns, for threads that spin after their last work.
PAUSE = 0.5

TORCH = sentence_transformers_torch.NAME

#: Of the issue: how many times faster ondol's onnx-int8 must be, and its gguf variants.
ONNX_BARS = (
    (sentence_transformers_onnx.NAME_INT8, 1.5),
    (TORCH, 3.0),
    (sentence_transformers_openvino.NAME_INT8, 1.25),
)
LLAMA_BAR = 1.3


def runs(variants: Sequence[Variant]) -> list[tuple[Variant, str | None]]:
    """Every variant in its engine, and the ONNX ones in OpenVINO too if it is installed."""
    result: list[tuple[Variant, str | None]] = [(variant, None) for variant in variants]
    if find_spec("openvino"):
        result += [
            (variant, Engine.OPENVINO.value) for variant in variants if variant.format == "onnx"
        ]
    return result


def contenders(
    bundle: Path, manifest: Manifest, peers: Path, variants: Sequence[Variant]
) -> list[Contender]:
    """ondol's runs, the peers of ONNX_BARS, llama.cpp on the bundle's GGUF files."""
    files = {variant.value: manifest.variant(variant).path for variant in variants}
    result = [
        ondol_variants.contender(
            bundle, variant.value, (files[variant.value], manifest.tokenizer.path), engine
        )
        for variant, engine in runs(variants)
    ]
    named = [name for name, _ in ONNX_BARS]
    result += [contender for contender in peer_contenders(peers) if contender.name in named]
    for variant in variants:
        if variant.format == "gguf":
            result += llama_embed.contenders(bundle / files[variant.value], variant.value)
    return result


def measure(
    wanted: Sequence[Contender],
    peers: Path,
    texts: Sequence[str],
    rounds: int,
    threads: int,
    operations: float,
) -> tuple[list[dict[str, Any]], dict[str, str | None], float]:
    """One record per engine, versions of the peers' packages, and the int8 peak.

    operations: of one pass over the texts. Raises PeerError.
    """
    seconds: dict[str, list[float]] = {contender.name: [] for contender in wanted}
    vectors: dict[str, NDArray[np.float32]] = {}
    versions: dict[str, str | None] = {}
    peak = 0.0
    with ExitStack() as stack:
        spawn = multiprocessing.get_context("spawn")
        pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn))
        processes: dict[str, PeerProcess] = {}
        for contender in wanted:
            print(f"opening {contender.name}", file=sys.stderr)
            process = stack.enter_context(PeerProcess(contender, peers, threads))
            process.load()
            process.seconds(texts[::8])
            processes[contender.name] = process
            if contender.environment is not None:  # ondol's stand with the machine
                versions |= process.describe().versions
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for name, process in processes.items():
                time.sleep(PAUSE)
                spent, vectors[name] = process.encode(texts)
                seconds[name].append(spent)
            time.sleep(PAUSE)
            peak = max(peak, pool.submit(int8_peak, threads).result())
    records = []
    for name, taken in seconds.items():
        records.append(
            {
                "name": name,
                "seconds": round(median(taken), 3),
                "fastest_seconds": round(min(taken), 3),
                "operations_per_second": round(operations / median(taken)),
                "mean_cosine_to_torch": round(
                    float(rowwise_cosine(vectors[name], vectors[TORCH]).mean()), 5
                ),
            }
        )
    return records, versions, peak


def bars(records: Sequence[Mapping[str, Any]], variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """One record per bar: how many times faster the variant is."""
    seconds = {r["name"]: r["seconds"] for r in records}
    fastest = {r["name"]: r["fastest_seconds"] for r in records}
    wanted: list[tuple[str, str, float]] = []
    for variant, engine in runs(variants):
        ours = ondol_variants.name(variant.value, engine)
        if variant is Variant.ONNX_INT8:
            wanted += [(ours, peer, least) for peer, least in ONNX_BARS]
        elif variant.format == "gguf":
            wanted += [(ours, name, LLAMA_BAR) for name in llama_embed.names(variant.value)]
    return [
        {
            "name": ours,
            "against": peer,
            "at_least": least,
            "ratio": round(seconds[peer] / seconds[ours], 3),
            "fastest_ratio": round(fastest[peer] / fastest[ours], 3),
        }
        for ours, peer, least in wanted
    ]


def as_text(results: Mapping[str, Any]) -> str:
    """The tables for the terminal."""
    peak = results["peak_operations_per_second"]
    lines = [
        f"{results['texts']} texts, {results['tokens']:,} tokens; "
        f"int8 peak {peak / 1e9:.0f} billion operations per second",
        f"{'':<46}{'s':>8}{'fastest':>9}{'tokens/s':>10}{'of peak':>9}{'cosine':>9}",
    ]
    for r in results["engines"]:
        lines.append(
            f"{r['name']:<46}{r['seconds']:>8.2f}{r['fastest_seconds']:>9.2f}"
            f"{results['tokens'] / r['seconds']:>10,.0f}{r['operations_per_second'] / peak:>9.1%}"
            f"{r['mean_cosine_to_torch']:>9.5f}"
        )
    lines.append("")
    lines += [
        f"{passed(bar['ratio'] >= bar['at_least'])}: {bar['name']} is {bar['ratio']:.2f} times "
        f"as fast as {bar['against']} (fastest runs: {bar['fastest_ratio']:.2f}), "
        f"at least {bar['at_least']:.2f}"
        for bar in results["bars"]
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("peers", type=Path, help="what make_peers.py wrote")
    parser.add_argument("--eval", type=Path, required=True, help="folder with korquad/")
    parser.add_argument("--variants", nargs="+", default=["onnx-int8"], help="default onnx-int8")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument(
        "--threads", type=int, default=physical_cores(), help="default: physical cores"
    )
    parser.add_argument("--questions", type=int, default=400, help="default 400")
    parser.add_argument("--paragraphs", type=int, default=200, help="default 200")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        manifest = Manifest.read(arguments.bundle)
        shape = manifest.architecture
        variants = [Variant.parse(name) for name in arguments.variants]
        wanted = contenders(arguments.bundle, manifest, arguments.peers, variants)
        texts = mixed_texts(arguments.eval, arguments.questions, arguments.paragraphs)
        tokenizer = TextTokenizer(
            arguments.bundle / manifest.tokenizer.path, max_tokens=shape.max_tokens
        )
        tokens = sum(len(ids) for ids in tokenizer(texts).ids)
        parameters = (
            shape.layers * shape.hidden_size * (4 * shape.hidden_size + 2 * shape.intermediate_size)
        )
        records, versions, peak = measure(
            wanted,
            arguments.peers,
            texts,
            arguments.rounds,
            arguments.threads,
            2 * parameters * tokens,
        )
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    results = {
        "rounds": arguments.rounds,
        "threads": arguments.threads,
        "layers": shape.layers,
        "rows": manifest.vocabulary.rows,
        "texts": len(texts),
        "tokens": tokens,
        "peak_operations_per_second": round(peak * 1e9),
        "versions": versions,
        "engines": records,
        "bars": bars(records, variants),
    }
    print(as_text(results))
    if arguments.json:
        write_record(arguments.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
