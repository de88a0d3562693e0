"""The text by which the ranges of int8 vectors are chosen.

It is in the package: the Korean and English lines, written for this project, on which a pruned
tokenizer is verified. It is neither the reference set on which variants are measured nor any
evaluation set.
"""

from collections.abc import Sequence

from ondol.vocab_prune.verify import verification_lines

_LANGUAGES = ("ko", "en")


def calibration_texts(prompts: Sequence[str]) -> list[str]:
    """Every line once, the prompts before them in turn; without prompts the lines alone."""
    lines = [line for language in _LANGUAGES for line in verification_lines()[language]]
    openings = list(prompts) or [""]
    return [openings[number % len(openings)] + line for number, line in enumerate(lines)]
