"""Milliseconds of one run of the model, without tokenizing, of ondol's files and its peers'.

    python benchmarks/model_call.py BUNDLE PEERS

BUNDLE and PEERS are made of one checkpoint (twelve_layers.py, `ondol build`, make_peers.py). Every
engine gets the same token ids without padding, has one pool of the same number of threads, and
otherwise its own defaults; OpenVINO's are bfloat16 for what is not int8 where the processor has it.
All engines live in this process and take turns, round after round, so that a busy moment of the
machine hits all alike. Before each turn there is a pause in which the pool of the engine before
falls asleep, and one run that is not timed wakes the pool whose turn it is. The median and the
fastest of all timed runs are reported, and the ratio of medians is held against the bars of the
issue "Fast and faithful".

Runs in the environment `sentence-transformers` of PEERS:
`PEERS/environments/sentence-transformers/bin/python benchmarks/model_call.py BUNDLE PEERS`.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from bars import passed
from numpy.typing import NDArray
from peers import sentence_transformers_onnx, sentence_transformers_openvino
from peers.in_process import load_peer
from peers.sentence_transformers_openvino import openvino_options
from peers.versions import versions
from record import median, write_record

from ondol.errors import InputError, OndolError
from ondol.manifest import Manifest
from ondol.runtime.checks import read_reference
from ondol.runtime.cores import physical_cores
from ondol.runtime.openvino_graph import read_encoder
from ondol.runtime.tokenize import TextTokenizer
from ondol.variants import Variant

#: Texts and tokens of each.
SHAPES = ((1, 16), (1, 64), (1, 256), (1, 512), (32, 64), (4, 512))

#: Seconds before an engine's turn. onnxruntime's idle threads used up to 70 ms of processor time
#: after a run, OpenVINO's none.
PAUSE = 0.15

#: The same file in both engines that run it.
OURS = ("ondol onnx-int8", "ondol onnx-int8, openvino")
DYNAMIC = ("optimum dynamic int8", "fused dynamic int8")
STATIC = "OpenVINO static int8"

#: Of the issue: the most that one of OURS may take, as a share of the fastest of these engines.
BARS = (
    (DYNAMIC, (1, 64), 0.80),
    (DYNAMIC, (32, 64), 0.85),
    (DYNAMIC, (4, 512), 0.76),
    ((STATIC,), (1, 64), 1.00),
    ((STATIC,), (32, 64), 1.00),
)

#: Besides those that every record states with its machine.
_PACKAGES = (
    "nncf",
    "openvino",
    "optimum-intel",
    "optimum-onnx",
    "sentence-transformers",
    "torch",
    "transformers",
)

#: Takes ids, (texts, tokens) int64, and returns a call that runs the model on them.
Engine = Callable[[NDArray[np.int64]], Callable[[], object]]


def onnx_engine(path: Path, threads: int) -> Engine:
    """An ONNX file in onnxruntime. Raises InputError if it does not load."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare pybind exceptions
        raise InputError(f"onnxruntime cannot load {path}: {error}") from error
    names = [item.name for item in session.get_inputs()]

    def bind(ids: NDArray[np.int64]) -> Callable[[], object]:
        feeds = _feeds(names, ids)
        return lambda: session.run(None, feeds)

    return bind


def openvino_engine(path: Path, threads: int) -> Engine:
    """An OpenVINO file. Raises InputError if it does not load."""
    core = load_peer("openvino").Core()
    try:
        # ondol's own ONNX file has what only ondol reads.
        model = read_encoder(core, path) if path.suffix == ".onnx" else core.read_model(path)
        compiled = core.compile_model(model, "CPU", openvino_options(threads))
    except RuntimeError as error:
        raise InputError(f"OpenVINO cannot load {path}: {error}") from error
    names = [item.get_any_name() for item in compiled.inputs]
    request = compiled.create_infer_request()

    def bind(ids: NDArray[np.int64]) -> Callable[[], object]:
        feeds = _feeds(names, ids)
        return lambda: request.infer(feeds, share_inputs=True, share_outputs=True)

    return bind


def _feeds(names: Sequence[str], ids: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    every = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    return {name: every[name] for name in names}


def engines(bundle: Path, manifest: Manifest, peers: Path, threads: int) -> dict[str, Engine]:
    """ondol's files first."""
    onnx = peers / sentence_transformers_onnx.FOLDER
    openvino = peers / sentence_transformers_openvino.FOLDER
    return {
        **{
            f"ondol {variant.value}": onnx_engine(bundle / manifest.variant(variant).path, threads)
            for variant in (Variant.ONNX_INT8, Variant.ONNX_FP32)
        },
        OURS[1]: openvino_engine(bundle / manifest.variant(Variant.ONNX_INT8).path, threads),
        "optimum dynamic int8": onnx_engine(onnx / sentence_transformers_onnx.INT8, threads),
        "fused dynamic int8": onnx_engine(onnx / sentence_transformers_onnx.FUSED_INT8, threads),
        "optimum float": onnx_engine(onnx / sentence_transformers_onnx.FLOAT, threads),
        "OpenVINO static int8": openvino_engine(
            openvino / sentence_transformers_openvino.INT8, threads
        ),
        "OpenVINO float": openvino_engine(openvino / sentence_transformers_openvino.FLOAT, threads),
    }


def reference_ids(bundle: Path, manifest: Manifest) -> list[NDArray[np.int64]]:
    """Ids of real text in every shape: the bundle's reference texts, one after the other."""
    texts, _ = read_reference(bundle, manifest)
    tokenizer = TextTokenizer(
        bundle / manifest.tokenizer.path, max_tokens=manifest.architecture.max_tokens
    )
    sequences = tokenizer(texts).ids
    first, last = sequences[0][0], sequences[0][-1]
    running = np.array([token for ids in sequences for token in ids[1:-1]], dtype=np.int64)
    result = []
    for shape in SHAPES:
        ids = np.resize(running, shape)
        ids[:, 0], ids[:, -1] = first, last
        result.append(ids)
    return result


def measure(
    contenders: Mapping[str, Engine], inputs: Sequence[NDArray[np.int64]], rounds: int
) -> list[dict[str, Any]]:
    """One record per engine."""
    seconds: dict[str, dict[str, list[float]]] = {
        name: {label(ids.shape): [] for ids in inputs} for name in contenders
    }
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for ids in inputs:
            for name, bind in contenders.items():
                call = bind(ids)
                time.sleep(PAUSE)
                call()
                for _ in range(max(1, min(16, 2048 // ids.size))):
                    start = time.perf_counter()
                    call()
                    seconds[name][label(ids.shape)].append(time.perf_counter() - start)
    return [
        {
            "name": name,
            "milliseconds": {k: round(1000 * median(v), 3) for k, v in of.items()},
            "fastest_milliseconds": {k: round(1000 * min(v), 3) for k, v in of.items()},
        }
        for name, of in seconds.items()
    ]


def label(shape: Sequence[int]) -> str:
    """`32×64`."""
    return "×".join(str(size) for size in shape)


def bars(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One record per bar, with the ratio of medians and of the fastest runs."""
    by_name = {r["name"]: r for r in records}
    result = []
    for ours, (rivals, shape, most) in itertools.product(OURS, BARS):
        key = label(shape)
        rival = min((by_name[name] for name in rivals), key=lambda r: r["milliseconds"][key])
        result.append(
            {
                "name": ours,
                "shape": key,
                "against": rival["name"],
                "at_most": most,
                **{
                    name: round(by_name[ours][field][key] / rival[field][key], 3)
                    for name, field in (
                        ("ratio", "milliseconds"),
                        ("fastest_ratio", "fastest_milliseconds"),
                    )
                },
            }
        )
    return result


def as_text(records: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> str:
    """The tables for the terminal."""
    keys = [label(shape) for shape in SHAPES]
    lines = [f"{'ms, median (fastest)':<24}" + "".join(f"{key:>18}" for key in keys)]
    for r in records:
        cells = (f"{r['milliseconds'][k]:.2f} ({r['fastest_milliseconds'][k]:.2f})" for k in keys)
        lines.append(f"{r['name']:<24}" + "".join(f"{cell:>18}" for cell in cells))
    lines.append("")
    lines += [
        f"{passed(bar['ratio'] <= bar['at_most'])}: {bar['name']}, {bar['shape']}: "
        f"{bar['ratio']:.2f} of "
        f"{bar['against']} (fastest runs: {bar['fastest_ratio']:.2f}), at most {bar['at_most']:.2f}"
        for bar in found
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, help="with onnx-int8 and onnx-fp32")
    parser.add_argument("peers", type=Path, help="what make_peers.py wrote")
    parser.add_argument("--rounds", type=int, default=9, help="default 9")
    parser.add_argument(
        "--threads", type=int, default=physical_cores(), help="default: physical cores"
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        manifest = Manifest.read(arguments.bundle)
        inputs = reference_ids(arguments.bundle, manifest)
        contenders = engines(arguments.bundle, manifest, arguments.peers, arguments.threads)
        records = measure(contenders, inputs, arguments.rounds)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found = bars(records)
    print(as_text(records, found))
    if arguments.json:
        results = {
            "rounds": arguments.rounds,
            "threads": arguments.threads,
            "layers": manifest.architecture.layers,
            "rows": manifest.vocabulary.rows,
            "versions": versions(_PACKAGES),
            "engines": records,
            "bars": found,
        }
        write_record(arguments.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
