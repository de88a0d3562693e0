"""What flash attention and packing cost and gain in llama.cpp: the grounds for our settings.

    python benchmarks/llama_choices.py BUNDLE --eval ../shared/eval

Flash attention: smallest cosine to PyTorch on the reference texts, and processor seconds of
one thread on KorQuAD paragraphs, with it off and on. Packing several texts into one batch: the
smallest cosine between a text's vector alone and packed, and the time, on KorQuAD questions.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from latency import mixed_texts
from numpy.typing import NDArray
from record import write_record

from ondol.errors import OndolError
from ondol.manifest import Manifest
from ondol.runtime.checks import read_reference
from ondol.runtime.llama_backend import LlamaBackend
from ondol.runtime.pool import finish, pool
from ondol.runtime.similarity import rowwise_cosine
from ondol.runtime.tokenize import TextTokenizer

PACKED_TOKENS = 256


def vectors(
    backend: LlamaBackend, ids: Sequence[Sequence[int]], manifest: Manifest
) -> tuple[NDArray[np.float32], float]:
    """(texts, dim) float32, and processor seconds."""
    start = time.process_time()
    states = backend.outputs(ids)
    seconds = time.process_time() - start
    pooled = [
        finish(pool(state, manifest.pooling), normalize=True, index=index)
        for index, state in enumerate(states)
    ]
    return np.stack(pooled), seconds


def measure(bundle: Path, folder: Path) -> list[dict[str, Any]]:
    """One record per GGUF variant."""
    manifest = Manifest.read(bundle)
    limit = manifest.architecture.max_tokens
    tokenizer = TextTokenizer(bundle / manifest.tokenizer.path, max_tokens=limit)
    texts, expected = read_reference(bundle, manifest)
    reference = tokenizer(texts).ids
    mixed = tokenizer(mixed_texts(folder, questions=200, paragraphs=40)).ids
    questions, paragraphs = mixed[:200], mixed[200:]
    records = []
    for record in manifest.variants:
        if record.name.format != "gguf":
            continue
        print(record.name, file=sys.stderr)
        found: dict[str, Any] = {"name": record.name.value}
        alone = np.empty(0, np.float32)
        for flash in (False, True):
            backend = LlamaBackend(
                bundle / record.path, threads=1, max_tokens=limit, flash_attention=flash
            )
            cosines = rowwise_cosine(vectors(backend, reference, manifest)[0], expected)
            vectors(backend, paragraphs[:2], manifest)  # warm
            word = "on" if flash else "off"
            found[f"min_cosine_{word}"] = float(cosines.min())
            found[f"paragraph_seconds_{word}"] = vectors(backend, paragraphs, manifest)[1]
            alone, found["question_seconds_alone"] = vectors(backend, questions, manifest)
            backend.close()
        backend = LlamaBackend(
            bundle / record.path,
            threads=1,
            max_tokens=limit,
            flash_attention=True,
            batch_tokens=PACKED_TOKENS,
        )
        packed, found["question_seconds_packed"] = vectors(backend, questions, manifest)
        backend.close()
        found["min_cosine_packed"] = float(rowwise_cosine(packed, alone).min())
        records.append(found)
    return records


def as_text(records: Sequence[Mapping[str, Any]]) -> str:
    """The table for the terminal."""
    columns = [name for name in records[0] if name != "name"]
    lines = ["variant      " + "  ".join(columns)]
    for r in records:
        cells = "  ".join(f"{r[column]:>{len(column)}.6f}" for column in columns)
        lines.append(f"{r['name']:<12} {cells}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--eval", type=Path, required=True, help="folder with korquad/")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        records = measure(arguments.bundle, arguments.eval)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(as_text(records))
    if arguments.json:
        write_record(arguments.json, records)
    return 0


if __name__ == "__main__":
    sys.exit(main())
