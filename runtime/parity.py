"""How close a loaded bundle comes to what PyTorch float32 computed."""

import warnings
from dataclasses import dataclass

import numpy as np

from ondol.manifest import Parity, ScoreParity, VariantRecord
from ondol.runtime.checks import read_reference, read_reference_pairs
from ondol.runtime.embedder import Embedder
from ondol.runtime.kinds import Model
from ondol.runtime.reports import TruncationWarning
from ondol.runtime.reranker import Reranker
from ondol.runtime.similarity import rowwise_cosine

#: The tenth digit differs between runs of one engine on one machine.
_RECORDED_DIGITS = 9


@dataclass(frozen=True)
class ParityMeasurement:
    """One variant against the reference vectors, over every reference text.

    Attributes:
        texts: how many texts were compared.
        mean_cosine, min_cosine: of the angle between the two vectors of a text.
        max_abs_difference: the largest difference of any element.
        worst_text: index of the reference text with min_cosine.
        worst_text_content: that text.
    """

    texts: int
    mean_cosine: float
    min_cosine: float
    max_abs_difference: float
    worst_text: int
    worst_text_content: str

    def problem(self, record: VariantRecord) -> str | None:
        """What is wrong, in words; None if the variant keeps its floor."""
        floor = record.vector_parity.floor
        if self.min_cosine >= floor:
            return None
        return (
            f"cosine {self.min_cosine:.6f} to the stored vector of reference text "
            f"{self.worst_text} ({self.worst_text_content[:60]!r}), mean {self.mean_cosine:.6f}; "
            f"its floor is {floor}"
        )

    def recorded(self, record: VariantRecord) -> Parity:
        """As a manifest has it, with the record's floor."""
        return Parity(
            texts=self.texts,
            mean_cosine=round(self.mean_cosine, _RECORDED_DIGITS),
            min_cosine=round(self.min_cosine, _RECORDED_DIGITS),
            max_abs_difference=round(self.max_abs_difference, _RECORDED_DIGITS),
            floor=record.vector_parity.floor,
            worst_text=self.worst_text,
        )


@dataclass(frozen=True)
class ScoreParityMeasurement:
    """A reranker's variant against the reference logits; see `ondol.manifest.ScoreParity`.

    Attributes:
        worst_pair_content: query and document.
    """

    pairs: int
    correlation: float
    mean_error: float
    max_error: float
    max_abs_difference: float
    worst_pair: int
    worst_pair_content: tuple[str, str]

    def problem(self, record: VariantRecord) -> str | None:
        """What is wrong, in words; None if the variant keeps its ceiling."""
        ceiling = record.score_parity.ceiling
        if self.mean_error <= ceiling:
            return None
        query, document = self.worst_pair_content
        return (
            f"logits that are {self.mean_error:.4f} spreads from the stored ones on average, at "
            f"most {self.max_error:.4f} ({self.max_abs_difference:.4f}), of reference pair "
            f"{self.worst_pair} ({query[:30]!r}, {document[:30]!r}); its ceiling is {ceiling}"
        )

    def recorded(self, record: VariantRecord) -> ScoreParity:
        """As a manifest has it, with the record's ceiling."""
        return ScoreParity(
            pairs=self.pairs,
            correlation=round(self.correlation, _RECORDED_DIGITS),
            mean_error=round(self.mean_error, _RECORDED_DIGITS),
            max_error=round(self.max_error, _RECORDED_DIGITS),
            max_abs_difference=round(self.max_abs_difference, _RECORDED_DIGITS),
            ceiling=record.score_parity.ceiling,
            worst_pair=self.worst_pair,
        )


Measurement = ParityMeasurement | ScoreParityMeasurement


def measure(model: Model) -> Measurement:
    """`measure_parity` of an Embedder, `measure_score_parity` of a Reranker."""
    if isinstance(model, Embedder):
        return measure_parity(model)
    return measure_score_parity(model)


def measure_parity(embedder: Embedder) -> ParityMeasurement:
    """Embed all reference texts of the embedder's bundle and compare them with its vectors.

    The embedder must have been made with normalize=None and truncate_dim=None, as the reference is
    stated for texts as they are and whole vectors. Raises ManifestError if the reference set cannot
    be read, NumericalError if a text has no finite vector.
    """
    texts, expected = read_reference(embedder.path, embedder.manifest)
    with warnings.catch_warnings():
        # The set holds over-long texts on purpose: cutting them alike is part of parity.
        warnings.simplefilter("ignore", TruncationWarning)
        vectors = embedder.embed(texts).vectors  # (texts, hidden_size)
    cosines = rowwise_cosine(vectors, expected)  # (texts,)
    worst = int(cosines.argmin())
    return ParityMeasurement(
        texts=len(texts),
        mean_cosine=float(cosines.mean()),
        min_cosine=float(cosines[worst]),
        max_abs_difference=float(np.abs(vectors - expected).max()),
        worst_text=worst,
        worst_text_content=texts[worst],
    )


def measure_score_parity(reranker: Reranker) -> ScoreParityMeasurement:
    """Score all reference pairs of the reranker's bundle and compare the logits with its own.

    The reranker must have been made with normalize=None. Raises ManifestError if the reference set
    cannot be read, NumericalError if a pair has no finite score.
    """
    pairs, expected = read_reference_pairs(reranker.path, reranker.manifest)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        logits = reranker.score(pairs, activation_fn=lambda logits: logits).scores  # (pairs,)
    differences = np.abs(logits.astype(np.float64) - expected)
    worst = int(differences.argmax())
    spread = float(expected.std())
    return ScoreParityMeasurement(
        pairs=len(pairs),
        correlation=float(np.corrcoef(logits, expected)[0, 1]),
        mean_error=float(differences.mean() / spread),
        max_error=float(differences[worst] / spread),
        max_abs_difference=float(differences[worst]),
        worst_pair=worst,
        worst_pair_content=pairs[worst],
    )
