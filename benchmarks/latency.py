"""Milliseconds for one text and tokens per second for many, for every variant of a bundle.

    python benchmarks/latency.py BUNDLE --eval ../shared/eval

One text: words of paragraphs that make exactly 16, 64, 256 and 512 tokens. Many: questions and
paragraphs of KorQuAD in one call. Rounds are interleaved over the variants and the median is
reported, with the ratio to the first variant. `FASTEST_FIRST` in src/ondol/variants.py is the order
that this gives; on a processor that it was not measured on, run it and name a variant yourself.

The times are processor time: with one thread, the default here, that is what the text takes on an
idle core, and other processes on the machine hardly change it.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from record import median, write_record

from ondol import Embedder
from ondol.errors import InputError, OndolError
from ondol.manifest import Manifest
from ondol.runtime.engines import installed

LENGTHS = (16, 64, 256, 512)


def mixed_texts(folder: Path, questions: int, paragraphs: int) -> list[str]:
    """KorQuAD texts with E5's prompts, evenly spread over the set. Raises InputError."""
    result = []
    for name, prompt, count in (
        ("queries", "query: ", questions),
        ("corpus", "passage: ", paragraphs),
    ):
        path = folder / "korquad" / f"{name}.jsonl"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            texts = [prompt + json.loads(line)["text"] for line in lines]
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"cannot read {path}: {error}") from error
        result += texts[:: max(1, len(texts) // count)][:count]
    return result


def text_of_length(model: Embedder, texts: Sequence[str], tokens: int) -> str:
    """Words of `texts` that have exactly `tokens` tokens together, `<s>` and `</s>` included."""
    chosen: list[str] = []
    room = tokens - 2
    # Words are segmented one by one, so their numbers of tokens add up.
    for word in " ".join(texts).split():
        size = int(model.embed([word]).token_counts[0]) - 2
        if size <= room:
            chosen.append(word)
            room -= size
        if room == 0:
            return " ".join(chosen)
    raise InputError(f"the texts have no {tokens} tokens")


def measure(bundle: Path, texts: Sequence[str], rounds: int, threads: int) -> list[dict[str, Any]]:
    """One record per variant whose engine is installed."""
    names = [r.name.value for r in Manifest.read(bundle).variants if installed(r.name)]
    models = {n: Embedder(bundle, variant=n, threads=threads, check="quick") for n in names}
    some = next(iter(models.values()))
    passages = [text for text in texts if text.startswith("passage: ")]
    singles = {length: text_of_length(some, passages, length) for length in LENGTHS}
    total = int(some.embed(texts).token_counts.sum())
    times: dict[str, dict[int, list[float]]] = {
        name: {length: [] for length in (*LENGTHS, 0)} for name in names
    }
    for number in range(rounds + 1):
        print(f"round {number} of {rounds}", file=sys.stderr)
        for name, model in models.items():
            for length, text in singles.items():
                repeats = max(1, 128 // length)
                start = time.process_time()
                for _ in range(repeats):
                    model.encode(text)
                times[name][length].append((time.process_time() - start) / repeats)
            start = time.process_time()
            model.encode(texts)
            times[name][0].append(time.process_time() - start)
    for model in models.values():
        model.close()
    # The first round warms up.
    medians = {n: {k: median(v[1:]) for k, v in of.items()} for n, of in times.items()}
    first = medians[names[0]]
    return [
        {
            "name": name,
            "milliseconds": {str(k): round(1000 * of[k], 3) for k in LENGTHS},
            "tokens_per_second": round(total / of[0]),
            "mix_ratio": round(first[0] / of[0], 3),
            "ratios": {str(k): round(first[k] / of[k], 3) for k in LENGTHS},
        }
        for name, of in medians.items()
    ]


def as_text(records: Sequence[Mapping[str, Any]]) -> str:
    """The table for the terminal."""
    head = "".join(f"{f'{length} tokens':>18}" for length in LENGTHS)
    lines = [f"{'variant':<12}{head}{'tokens/s, mix':>22}"]
    for r in records:
        cells = "".join(
            f"{r['milliseconds'][str(k)]:>9.2f} ms {r['ratios'][str(k)]:>4.2f}x" for k in LENGTHS
        )
        lines.append(f"{r['name']:<12}{cells}{r['tokens_per_second']:>15,} {r['mix_ratio']:>5.2f}x")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--eval", type=Path, required=True, help="folder with korquad/")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds (default 7)")
    parser.add_argument("--threads", type=int, default=1, help="of the engine (default 1)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        texts = mixed_texts(arguments.eval, questions=64, paragraphs=16)
        records = measure(arguments.bundle, texts, arguments.rounds, arguments.threads)
        manifest = Manifest.read(arguments.bundle)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(as_text(records))
    if arguments.json:
        results = {
            "rounds": arguments.rounds,
            "threads": arguments.threads,
            "texts": len(texts),
            "layers": manifest.architecture.layers,
            "rows": manifest.vocabulary.rows,
            "variants": records,
        }
        write_record(arguments.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
