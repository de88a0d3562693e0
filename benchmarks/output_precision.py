"""What fewer dimensions and fewer bytes cost in retrieval: nDCG@10 of every output of one model.

    python benchmarks/output_precision.py MODEL --eval ../shared/eval --cache DIR [--json FILE]

MODEL is named as for benchmarks/quality, and with the same --cache its vectors are those of its
run. Every output is made of the same float32 vectors: their first elements, scaled to norm 1 again,
then as float32, int8 or ubinary, queries and documents alike. The ranges of int8 are those of
ondol's calibration text, which no set holds. float32 vectors are compared by cosine, int8 ones by
the cosine of the numbers that they stand for (Embedder.dequantize) and by that of the integers as
they are, ubinary ones by Hamming distance. Differences are to the whole float32 vectors, with the
95% interval of a paired bootstrap over the queries.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from quality.cache import vectors_of
from quality.comparison import as_record, compare
from quality.models import parse_model
from quality.sets import PROMPTS, RetrievalSet, Texts, Vectors, distinct_texts, read_sets
from record import write_record

from ondol.convert.output_calibration import calibration_texts
from ondol.errors import OndolError
from ondol.precision import Precision
from ondol.runtime.quantize import OutputRanges, dequantize, quantize, shorten

#: Elements that are kept, besides all.
DIMENSIONS = (256, 192, 128, 64)

CALIBRATION = "calibration"


@dataclass(frozen=True)
class Output:
    """A form of vectors, and how they are compared.

    Attributes:
        dimension: elements that are kept.
        precision: of each.
        as_integers: int8 vectors are compared by the cosine of the integers as they are.
    """

    dimension: int
    precision: Precision
    as_integers: bool = False

    @property
    def name(self) -> str:
        """For instance `256 int8`."""
        return f"{self.dimension} {self.precision}{', as integers' if self.as_integers else ''}"

    @property
    def bytes(self) -> int:
        """Of a vector."""
        columns = self.precision.columns(self.dimension)
        return columns * np.dtype(self.precision.dtype).itemsize

    def comparable(self, rows: NDArray[np.float32], ranges: OutputRanges) -> NDArray[np.float32]:
        """(texts, dimension) float32 whose cosines order texts as this output's own comparison.

        rows: (texts, dim) float32 of norm 1, whole.
        """
        kept = np.stack(
            [shorten(row, self.dimension, normalize=True, index=n) for n, row in enumerate(rows)]
        )
        bounds = ranges.of(self.dimension, normalize=True)
        quantized = quantize(kept, self.precision, bounds)
        if self.precision.packed:
            # Of vectors of 1 and -1 the cosine falls as the Hamming distance grows.
            bits = np.unpackbits(quantized.view(np.uint8), axis=1, count=self.dimension)
            return 2 * bits.astype(np.float32) - 1
        if self.precision.needs_ranges and not self.as_integers:
            return dequantize(quantized, ranges, normalize=True)
        return quantized.astype(np.float32)


def all_outputs(whole: int) -> list[Output]:
    """Every form at every length, the whole float32 vectors first. whole: elements of a vector."""
    return [
        Output(dimension, precision, as_integers)
        for dimension in (whole, *DIMENSIONS)
        for precision, as_integers in (
            (Precision.FLOAT32, False),
            (Precision.INT8, False),
            (Precision.INT8, True),
            (Precision.UBINARY, False),
        )
    ]


def clipped(vectors: Vectors, ranges: OutputRanges) -> Mapping[str, float]:
    """Share of the values of each group of whole vectors that lie outside of the ranges."""
    shares = {}
    for name, rows in vectors.items():
        low, high = ranges.of(rows.shape[1], normalize=True)
        shares[name] = float(((rows < low) | (rows > high)).mean())
    return shares


def mean_cosine(rows: NDArray[np.float32]) -> float:
    """Of all pairs of different texts. rows: (texts, dim) float32 of norm 1, of at least two."""
    texts = len(rows)
    total = np.square(rows.sum(axis=0, dtype=np.float64)).sum()
    return float((total - texts) / (texts * (texts - 1)))


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--eval", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the vectors")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    try:
        return _run(options)
    except OndolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    sets = [one for one in read_sets(options.eval) if isinstance(one, RetrievalSet)]
    calibration = Texts(CALIBRATION, tuple(calibration_texts(list(PROMPTS.values()))))
    named = parse_model(options.model)
    vectors = vectors_of(named, [*distinct_texts(sets), calibration], options.cache)
    calibrated = vectors.pop(CALIBRATION)
    ranges = OutputRanges(calibrated)
    outputs = all_outputs(calibrated.shape[1])
    made = (
        (one.name, {name: one.comparable(rows, ranges) for name, rows in vectors.items()})
        for one in outputs
    )
    found = {}
    for name, scores in compare(sets, made):
        found[name] = scores
        parts = (f"{place} {scores[place]['ndcg_at_10'].value:.4f}" for place in scores)
        print(f"{name:22} {', '.join(parts)}", flush=True)
    results = {
        "model": named.name,
        "calibration_texts": len(calibrated),
        "clipped": clipped(vectors, ranges),
        "mean_cosine": {name: mean_cosine(rows) for name, rows in vectors.items()},
        "bytes": {one.name: one.bytes for one in outputs},
        **as_record(sets, found, {}),
    }
    if options.json:
        write_record(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
