"""How close a loaded bundle's vectors are to the stored PyTorch float32 vectors."""

import warnings
from dataclasses import dataclass

import numpy as np

from ondol.runtime.checks import read_reference
from ondol.runtime.embedder import Embedder
from ondol.runtime.reports import TruncationWarning
from ondol.runtime.similarity import rowwise_cosine


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
