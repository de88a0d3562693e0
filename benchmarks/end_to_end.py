"""Strings to vectors: seconds for many texts, ondol and its peers.

    python benchmarks/end_to_end.py BUNDLE PEERS --eval ../shared/eval

BUNDLE and PEERS are made of one checkpoint (twelve_layers.py, `ondol build`, make_peers.py). The
texts are questions and paragraphs of KorQuAD with E5's prompts, in one call of each engine's own
`encode` or `embed`, tokenizing and pooling included. The peers: sentence-transformers with PyTorch,
with its dynamic int8 file in onnxruntime, and with its static int8 file in OpenVINO, all at its
default batch of 32; and, for every gguf variant, llama-cpp-python's `Llama.embed` on the same file
with n_batch 512, as it is by default and with flash attention.

Every engine runs in a process of its own, with the same number of threads for the model and for
tokenizing; they take turns, round after round, so that a busy moment of the machine hits all alike.
The median is reported, and the ratios are held against the bars of the issue "Fast and faithful".

The share of the int8 peak counts two operations for each encoder matrix parameter and token that is
not padding. The products of attention are left out, and int8_peak.py measures the peak in the same
run.

Needs the environment that benchmarks/peers.txt describes.
"""

import argparse
import functools
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from int8_peak import int8_peak
from latency import mixed_texts
from numpy.typing import NDArray
from peers import ONNX_INT8, OPENVINO_INT8, load_peer, openvino_options, passed, versions
from record import median, write_record

from ondol import Embedder
from ondol.errors import InputError, OndolError
from ondol.manifest import Manifest
from ondol.runtime.cores import physical_cores
from ondol.runtime.similarity import rowwise_cosine
from ondol.runtime.tokenize import TextTokenizer
from ondol.variants import Variant

#: Seconds between turns, for threads that spin after their last work.
PAUSE = 0.5

TORCH, ONNX, OPENVINO = (
    "sentence-transformers, torch",
    "sentence-transformers, onnx int8",
    "sentence-transformers, openvino int8",
)

#: Of the issue: how many times faster ondol's onnx-int8 must be, and its gguf variants.
ONNX_BARS = ((ONNX, 1.5), (TORCH, 3.0), (OPENVINO, 1.25))
LLAMA_BAR = 1.3

#: Takes texts and returns (texts, dim) float32, L2 norm 1.
Encode = Callable[[Sequence[str]], NDArray[np.float32]]


class Kind(Enum):
    """Who runs the model."""

    ONDOL = "ondol"
    TORCH = "torch"
    ONNX = "onnx"
    OPENVINO = "openvino"
    LLAMA = "llama"
    LLAMA_FLASH = "llama-flash"


@dataclass(frozen=True)
class Engine:
    """What to open in a process.

    Attributes:
        source: the bundle, the directory of make_peers.py, or the GGUF file.
        variant: of the bundle, if kind is ONDOL.
    """

    name: str
    kind: Kind
    source: Path
    threads: int
    variant: str = ""


def engines(
    bundle: Path, manifest: Manifest, peers: Path, variants: Sequence[Variant], threads: int
) -> list[Engine]:
    """ondol's variants, sentence-transformers' backends, llama.cpp on the bundle's GGUF files.

    Raises InputError if a peer's file is missing: sentence-transformers would export another one.
    """
    for name in (ONNX_INT8, OPENVINO_INT8):
        if not (peers / name).is_file():
            raise InputError(f"{peers / name} is missing; make_peers.py writes it")
    result = [
        Engine(f"ondol {variant}", Kind.ONDOL, bundle, threads, variant.value)
        for variant in variants
    ]
    result += [
        Engine(TORCH, Kind.TORCH, peers, threads),
        Engine(ONNX, Kind.ONNX, peers, threads),
        Engine(OPENVINO, Kind.OPENVINO, peers, threads),
    ]
    for variant in variants:
        if variant.format == "gguf":
            path = bundle / manifest.variant(variant).path
            result += [
                Engine(name, kind, path, threads)
                for name, kind in zip(
                    llama_names(variant), (Kind.LLAMA, Kind.LLAMA_FLASH), strict=True
                )
            ]
    return result


def llama_names(variant: Variant) -> tuple[str, str]:
    """Of llama.cpp's own runs of a GGUF file: as it is by default, and with flash attention."""
    name = f"llama-cpp-python {variant}"
    return name, f"{name}, flash attention"


@functools.cache
def opened(engine: Engine) -> Encode:
    """The engine, in this process. Raises MissingPeerError, and what the engine raises."""
    match engine.kind:
        case Kind.ONDOL:
            return Embedder(engine.source, variant=engine.variant, threads=engine.threads).encode
        case Kind.LLAMA | Kind.LLAMA_FLASH:
            return _llama(engine)
        case _:
            return _sentence_transformer(engine)


def _sentence_transformer(engine: Engine) -> Encode:
    options: dict[str, Any] = {}
    match engine.kind:
        case Kind.TORCH:
            load_peer("torch").set_num_threads(engine.threads)
        case Kind.ONNX:
            session = load_peer("onnxruntime").SessionOptions()
            session.intra_op_num_threads = engine.threads
            options = {
                "file_name": ONNX_INT8,
                "provider": "CPUExecutionProvider",
                "session_options": session,
            }
        case Kind.OPENVINO:
            options = {"file_name": OPENVINO_INT8, "ov_config": openvino_options(engine.threads)}
    transformer = load_peer("sentence_transformers")
    logging.disable(logging.WARNING)
    model = transformer.SentenceTransformer(
        str(engine.source), device="cpu", backend=engine.kind.value, model_kwargs=options
    )
    return functools.partial(model.encode, show_progress_bar=False)


def _llama(engine: Engine) -> Encode:
    model = load_peer("llama_cpp").Llama(
        str(engine.source),
        embedding=True,
        n_ctx=512,
        n_batch=512,
        n_ubatch=512,
        n_threads=engine.threads,
        n_threads_batch=engine.threads,
        flash_attn=engine.kind is Kind.LLAMA_FLASH,
        verbose=False,
    )
    return lambda texts: np.array(model.embed(list(texts), normalize=True), dtype=np.float32)


def timed(engine: Engine, texts: Sequence[str]) -> tuple[float, NDArray[np.float32]]:
    """Seconds and vectors, in the engine's process."""
    encode = opened(engine)
    start = time.perf_counter()
    vectors = encode(texts)
    return time.perf_counter() - start, vectors


def measure(
    contenders: Sequence[Engine], texts: Sequence[str], rounds: int, operations: float
) -> tuple[list[dict[str, Any]], float]:
    """One record per engine, and the int8 peak.

    operations: of one pass over the texts. Raises OndolError, or what a peer raises.
    """
    threads = contenders[0].threads
    # tokenizers' own threads; children inherit it. Without the second name it keeps to one thread
    # in a process that it takes for a forked one.
    os.environ |= {"RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true"}
    spawn = multiprocessing.get_context("spawn")
    pools = [ProcessPoolExecutor(1, mp_context=spawn) for _ in (*contenders, "peak")]
    seconds: dict[str, list[float]] = {engine.name: [] for engine in contenders}
    vectors: dict[str, NDArray[np.float32]] = {}
    peak = 0.0
    try:
        for engine, pool in zip(contenders, pools, strict=False):
            print(f"opening {engine.name}", file=sys.stderr)
            pool.submit(timed, engine, texts[::8]).result()
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for engine, pool in zip(contenders, pools, strict=False):
                time.sleep(PAUSE)
                spent, vectors[engine.name] = pool.submit(timed, engine, texts).result()
                seconds[engine.name].append(spent)
            time.sleep(PAUSE)
            peak = max(peak, pools[-1].submit(int8_peak, threads).result())
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)
    records = []
    for engine in contenders:
        taken = median(seconds[engine.name])
        records.append(
            {
                "name": engine.name,
                "seconds": round(taken, 3),
                "fastest_seconds": round(min(seconds[engine.name]), 3),
                "operations_per_second": round(operations / taken),
                "mean_cosine_to_torch": round(
                    float(rowwise_cosine(vectors[engine.name], vectors[TORCH]).mean()), 5
                ),
            }
        )
    return records, peak


def bars(records: Sequence[Mapping[str, Any]], variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """One record per bar: how many times faster the variant is."""
    seconds = {r["name"]: r["seconds"] for r in records}
    fastest = {r["name"]: r["fastest_seconds"] for r in records}
    wanted: list[tuple[Variant, str, float]] = []
    for variant in variants:
        if variant is Variant.ONNX_INT8:
            wanted += [(variant, peer, least) for peer, least in ONNX_BARS]
        elif variant.format == "gguf":
            wanted += [(variant, name, LLAMA_BAR) for name in llama_names(variant)]
    return [
        {
            "variant": variant.value,
            "against": peer,
            "at_least": least,
            "ratio": round(seconds[peer] / seconds[f"ondol {variant}"], 3),
            "fastest_ratio": round(fastest[peer] / fastest[f"ondol {variant}"], 3),
        }
        for variant, peer, least in wanted
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
        f"{passed(bar['ratio'] >= bar['at_least'])}: {bar['variant']} is {bar['ratio']:.2f} times "
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
        contenders = engines(
            arguments.bundle, manifest, arguments.peers, variants, arguments.threads
        )
        texts = mixed_texts(arguments.eval, arguments.questions, arguments.paragraphs)
        tokenizer = TextTokenizer(
            arguments.bundle / manifest.tokenizer.path, max_tokens=shape.max_tokens
        )
        tokens = sum(len(ids) for ids in tokenizer(texts).ids)
        parameters = (
            shape.layers * shape.hidden_size * (4 * shape.hidden_size + 2 * shape.intermediate_size)
        )
        records, peak = measure(contenders, texts, arguments.rounds, 2 * parameters * tokens)
    except (OndolError, OSError, BrokenProcessPool) as error:
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
        "versions": versions(),
        "engines": records,
        "bars": bars(records, variants),
    }
    print(as_text(results))
    if arguments.json:
        write_record(arguments.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
