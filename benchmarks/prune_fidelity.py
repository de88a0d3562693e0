"""How much text a pruned vocabulary segments exactly as the full one, for several sizes.

For each size a real pruned tokenizer is built and run beside the full one over text that was never
counted for the keep-list:

    python benchmarks/prune_fidelity.py --tokenizer ../shared/tokenizer/tokenizer.json \
        --eval ../shared/eval --markdown

A line is one text as an application would embed it: each sentence of the STS pairs, each question,
each document (title and text). `--json FILE` writes the numbers too.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from record import write_record

from ondol.errors import InputError, OndolError
from ondol.vocab_prune.alphabet import alphabet_pieces
from ondol.vocab_prune.keeplist import default_rates
from ondol.vocab_prune.rewrite import prune_tokenizer_json
from ondol.vocab_prune.select import DEFAULT_SIZE, select
from ondol.vocab_prune.unigram import UnigramVocabulary
from ondol.vocab_prune.verify import Comparison, Fidelity

SIZES = (16_000, 24_000, 32_000, 41_348, 45_000, DEFAULT_SIZE)

#: Name of each held-out source, its language, and the reader's arguments.
STS = {"korsts": "ko", "stsb_en": "en"}
RETRIEVAL = {"korquad": "ko", "cranfield": "en"}


def held_out(folder: Path) -> dict[str, dict[str, list[str]]]:
    """language -> source -> lines. Raises InputError if a file is missing or not as expected."""
    result: dict[str, dict[str, list[str]]] = {"ko": {}, "en": {}}
    try:
        for name, language in STS.items():
            lines: list[str] = []
            for part in ("dev", "test"):
                with (folder / name / f"{part}.tsv").open(encoding="utf-8", newline="") as file:
                    for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                        lines += row[1:3]
            result[language][f"{name} sentences"] = lines
        for name, language in RETRIEVAL.items():
            queries = _jsonl(folder / name / "queries.jsonl")
            result[language][f"{name} questions"] = [query["text"] for query in queries]
            documents = _jsonl(folder / name / "corpus.jsonl")
            result[language][f"{name} documents"] = [
                f"{document['title']} {document['text']}".strip() for document in documents
            ]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{folder}: not the evaluation sets: {error}") from error
    return result


def _jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure(
    tokenizer: Mapping[str, Any],
    texts: Mapping[str, Mapping[str, Sequence[str]]],
    sizes: Iterable[int],
    languages: Sequence[str] = ("en", "ko"),
) -> list[dict[str, Any]]:
    """One record per size, language and source; the source "all" pools the language's lines.

    tokenizer: the parsed content of the full tokenizer.json.
    """
    vocabulary = UnigramVocabulary.from_json(tokenizer)
    alphabet = alphabet_pieces(vocabulary, languages)
    rates = default_rates(vocabulary, languages)
    records = []
    for size in sizes:
        kept = select(vocabulary, alphabet, rates, size).kept
        comparison = Comparison(tokenizer, prune_tokenizer_json(tokenizer, kept), kept)
        for language in languages:
            parts = {name: comparison.measure(lines) for name, lines in texts[language].items()}
            pooled = Fidelity(0, 0, 0, 0, 0, 0, 0, 0)
            for part in parts.values():
                pooled += part
            for name, fidelity in {"all": pooled, **parts}.items():
                before, after = fidelity.unknown_per_10k
                records.append(
                    {
                        "wanted": size,
                        "rows": len(kept),
                        "language": language,
                        "source": name,
                        **asdict(fidelity),
                        "identical_line_share": fidelity.identical_line_share,
                        "identical_token_share": fidelity.identical_token_share,
                        "unknown_per_10k_before": before,
                        "unknown_per_10k_after": after,
                    }
                )
    return records


def as_markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """Two tables: pooled per language, then per source."""
    lines = [
        "| rows | language | lines identical | tokens identical | `<unk>` per 10,000 tokens, "
        "full | pruned |",
        "| ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {r['rows']:,} | {r['language']} | {r['identical_line_share']:.2%} | "
        f"{r['identical_token_share']:.3%} | {r['unknown_per_10k_before']:.2f} | "
        f"{r['unknown_per_10k_after']:.2f} |"
        for r in records
        if r["source"] == "all"
    ]
    sources = list(dict.fromkeys(r["source"] for r in records if r["source"] != "all"))
    counts = {r["source"]: r["lines"] for r in records}
    lines += [
        "",
        "Lines identical, by source:",
        "",
        "| rows | " + " | ".join(f"{name} ({counts[name]:,})" for name in sources) + " |",
        "| ---: |" + " ---: |" * len(sources),
    ]
    for rows in dict.fromkeys(r["rows"] for r in records):
        shares = {r["source"]: r["identical_line_share"] for r in records if r["rows"] == rows}
        lines.append(f"| {rows:,} | " + " | ".join(f"{shares[n]:.2%}" for n in sources) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokenizer", type=Path, required=True, help="the full tokenizer.json")
    parser.add_argument("--eval", type=Path, required=True, help="folder of the evaluation sets")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of rows")
    parser.add_argument("--languages", default="ko,en", help="languages to keep (default ko,en)")
    parser.add_argument("--json", type=Path, help="write every number to this file")
    parser.add_argument("--markdown", action="store_true", help="print Markdown, not plain columns")
    arguments = parser.parse_args()
    try:
        tokenizer = json.loads(arguments.tokenizer.read_text(encoding="utf-8"))
        texts = held_out(arguments.eval)
        records = measure(tokenizer, texts, arguments.sizes, arguments.languages.split(","))
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        write_record(arguments.json, records)
    if arguments.markdown:
        print(as_markdown(records))
    else:
        for r in records:
            print(
                f"{r['rows']:>7,} {r['language']} {r['source']:<20} {r['lines']:>6,} lines  "
                f"identical {r['identical_line_share']:7.2%}  tokens "
                f"{r['identical_token_share']:8.3%}  unk/10k {r['unknown_per_10k_before']:.2f} -> "
                f"{r['unknown_per_10k_after']:.2f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
