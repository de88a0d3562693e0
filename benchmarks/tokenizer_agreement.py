"""Does llama.cpp's tokenizer agree with `tokenizers` on real text, edge cases, characters?

A GGUF file of a bundle is read, the tokenizer.json beside it is what it should agree with:

    python benchmarks/tokenizer_agreement.py --bundle BUNDLE --texts ../shared/eval \
        --texts ../shared/corpus --lines 20000

Literal special tokens in a text ("<s>") are special tokens on both sides: that is what `tokenizers`
does, and what llama-server and llama-embedding ask llama.cpp for.
"""

import argparse
import gzip
import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from tokenizers import Tokenizer

from ondol.convert.gguf_agreement import tokenizer_agreement

EDGE_CASES = [
    "",
    " ",
    "  한국어  text   here  ",
    "tab\there\nnewline\r\nboth",
    "no-break\u00a0space ideographic\u3000space zero\u200bwidth",
    "ｆｕｌｌｗｉｄｔｈ　１２３",
    "ㅋㅋㅋ ㅎㅎ ㅏㅑ",
    "\u1112\u1161\u11ab\u1100\u116e\u11a8",
    "ﾊﾝｶｸ ｶﾞ ﾊﾟ",
    "e\u0301 o\u0308\u0323",
    "👩‍👩‍👧‍👦 👍🏽 🇰🇷",
    "next\u0085line",
    "<s> a </s> <pad> <unk> <mask>",
    "a<s>b  <mask>  c",
    "＜s＞",
    "▁metaspace▁",
    "control\x01character\x7f\x00nul",
    "query: 국내 여행지",
]


def texts_in(path: Path) -> Iterator[str]:
    """The texts of a file (.txt.gz, .jsonl, .tsv), or of every such file under a folder."""
    if path.is_dir():
        for child in sorted(path.rglob("*")):
            if child.is_file():
                yield from texts_in(child)
    elif path.name.endswith(".txt.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from (line.rstrip("\n") for line in lines)
    elif path.suffix == ".jsonl":
        for line in path.read_text("utf-8").splitlines():
            yield json.loads(line)["text"]
    elif path.suffix == ".tsv" and path.name != "qrels.tsv":
        for line in path.read_text("utf-8").splitlines():
            yield from line.split("\t")[1:]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, help="bundle with at least one GGUF variant")
    parser.add_argument("--gguf", type=Path, help="a GGUF file instead, with --tokenizer")
    parser.add_argument("--tokenizer", type=Path, help="its tokenizer.json")
    parser.add_argument("--texts", type=Path, action="append", default=[], help="file or folder")
    parser.add_argument("--lines", type=int, help="the first N lines of each --texts")
    parser.add_argument("--examples", type=int, default=5, help="differences shown per group")
    options = parser.parse_args()
    if options.bundle is not None:
        options.gguf = min((options.bundle / "gguf").glob("*.gguf"))
        options.tokenizer = options.bundle / "tokenizer.json"
    if options.gguf is None or options.tokenizer is None:
        parser.error("name a --bundle, or a --gguf file and its --tokenizer")
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    characters = map(chr, chain(range(0xD800), range(0xE000, 0x10000)))
    groups = [(str(path), islice(texts_in(path), options.lines)) for path in options.texts]
    groups += [
        ("edge cases", islice(EDGE_CASES, None)),
        ("single characters, U+0000 to U+FFFF", islice(characters, None)),
    ]
    print("| texts | lines | identical |\n| --- | --- | --- |")
    differences = []
    for name, texts in groups:
        report = tokenizer_agreement(options.gguf, tokenizer, texts, max_examples=options.examples)
        print(f"| {name} | {report.lines:,} | {report.identical:,} |", flush=True)
        differences += report.examples
    for example in differences:
        print(f"\n{example.text[:200]!r}")
        print(f"  tokenizers {example.expected[:40]}\n  llama.cpp  {example.got[:40]}")


if __name__ == "__main__":
    main()
