"""How well the default counts do on a kind of text that they have never seen.

Every source of running text in turn is left out of the counting as a whole; the vocabulary is then
chosen from the other sources, and every tenth line of the one left out is looked at: does it keep
its segmentation? A line does if all its pieces are kept. With the packages of make_keeplist.py:

    python benchmarks/leave_one_out.py --tokenizer ../shared/tokenizer/tokenizer.json \
        --corpus ../shared/corpus --packages packages
"""

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keeplist_sources import SOURCES, Places, Source
from make_keeplist import measure
from numpy.typing import NDArray
from record import write_record
from tokenizers import Tokenizer

from ondol.errors import OndolError
from ondol.vocab_prune.alphabet import alphabet_pieces, has_hangul
from ondol.vocab_prune.keeplist import PER_TOKENS
from ondol.vocab_prune.select import DEFAULT_SIZE, select
from ondol.vocab_prune.unigram import UnigramVocabulary

SIZES = (41_348, DEFAULT_SIZE)

#: Of the source left out, the lines 0, 10, 20, … are scored.
EVERY = 10

Distribution = NDArray[np.float64]


def mixed(
    vocabulary: UnigramVocabulary, distributions: Mapping[str, Distribution], left_out: str
) -> dict[str, Distribution]:
    """Rates per language as make_keeplist.py writes them, without the source `left_out`."""
    hangul = np.array([has_hangul(piece) for piece in vocabulary.pieces])
    rates = {}
    for language, sources in SOURCES.items():
        used = [source for source in sources if source.name != left_out]
        total = sum(source.share for source in used)
        rate = np.zeros(len(vocabulary))
        for source in used:
            rate += source.share / total * distributions[source.name]
        rate[list(vocabulary.special_ids)] = 0
        if language == "en":
            rate[hangul] = 0
        rates[language] = np.rint(rate * PER_TOKENS) / PER_TOKENS
    return rates


def scored_lines(source: Source, places: Places, tokenizer: Tokenizer) -> list[NDArray[np.int64]]:
    """Token ids of every tenth line."""
    lines = [text for text, _ in itertools.islice(source.read(places), 0, None, EVERY)]
    encodings = tokenizer.encode_batch_fast(lines, add_special_tokens=False)
    return [np.array(encoding.ids, np.int64) for encoding in encodings]


def leave_one_out(
    vocabulary: UnigramVocabulary, tokenizer: Tokenizer, places: Places, sizes: Sequence[int]
) -> list[dict[str, Any]]:
    """One record per source of running text."""
    distributions = {
        source.name: measure(source, places, tokenizer, len(vocabulary))[0]
        for sources in SOURCES.values()
        for source in sources
    }
    alphabet = alphabet_pieces(vocabulary, SOURCES)
    unknown = vocabulary.unk_id
    records = []
    for language, sources in SOURCES.items():
        for source in sources:
            if not source.running:
                continue
            rates = mixed(vocabulary, distributions, source.name)
            lines = scored_lines(source, places, tokenizer)
            shares = {}
            for size in sizes:
                kept = np.zeros(len(vocabulary), bool)
                kept[list(select(vocabulary, alphabet, rates, size).kept)] = True
                kept[unknown] = True
                same = sum(bool(kept[ids].all()) for ids in lines)
                shares[str(size)] = same / len(lines)
            records.append(
                {
                    "language": language,
                    "source": source.name,
                    "lines": len(lines),
                    "identical_line_share": shares,
                }
            )
    return records


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokenizer", type=Path, required=True, help="XLM-R's tokenizer.json")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of ko.txt.gz and others")
    parser.add_argument("--packages", type=Path, required=True, help="folder of package files")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    try:
        records = leave_one_out(
            UnigramVocabulary.from_file(arguments.tokenizer),
            Tokenizer.from_file(str(arguments.tokenizer)),
            Places(arguments.corpus, arguments.packages),
            SIZES,
        )
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for r in records:
        shares = "  ".join(f"{int(k):,}: {v:7.2%}" for k, v in r["identical_line_share"].items())
        print(f"{r['language']} {r['source']:<20} {r['lines']:>7,} lines  {shares}")
    if arguments.json:
        write_record(arguments.json, records)
    return 0


if __name__ == "__main__":
    sys.exit(main())
