"""What pruning itself changes: vectors of texts with the same pieces as before, and of the others.

    python benchmarks/pruning_loss.py WHOLE PRUNED --eval ../shared/eval --cache DIR [--json FILE]

WHOLE and PRUNED are float models as benchmarks/quality takes them; with the same --cache their
vectors are those of its run. Pruning changes neither a kept row of the embedding nor anything above
it, so a text that is cut into the same pieces must keep its vector, but for the last digits of
float32; every loss comes from texts that are segmented otherwise.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tokenizers
from numpy.typing import NDArray
from quality.cache import vectors_of
from quality.models import Bundle, CheckpointDirectory, NamedModel, parse_model
from quality.sets import Texts, distinct_texts, read_sets
from record import write_record

from ondol.errors import InputError, OndolError
from ondol.runtime.similarity import rowwise_cosine


@dataclass(frozen=True)
class PruningLoss:
    """Of one group of distinct texts.

    Attributes:
        texts: all of them.
        same_pieces: those that are cut into the same pieces as before.
        min_cosine_same: the smallest cosine between a text's two vectors among these; None without
            such texts.
        mean_cosine_other, min_cosine_other: among the others; None without such texts.
    """

    name: str
    texts: int
    same_pieces: int
    min_cosine_same: float | None
    mean_cosine_other: float | None
    min_cosine_other: float | None


def pruning_loss(
    texts: Texts,
    same: NDArray[np.bool_],
    whole: NDArray[np.float32],
    pruned: NDArray[np.float32],
) -> PruningLoss:
    """same: (texts,), of `same_pieces`; whole, pruned: (texts, dim), vectors of both models."""
    cosines = rowwise_cosine(whole, pruned)
    kept, others = cosines[same], cosines[~same]
    return PruningLoss(
        texts.name,
        len(same),
        int(same.sum()),
        float(kept.min()) if len(kept) else None,
        float(others.mean()) if len(others) else None,
        float(others.min()) if len(others) else None,
    )


def same_pieces(
    texts: Sequence[str], whole: tokenizers.Tokenizer, pruned: tokenizers.Tokenizer
) -> NDArray[np.bool_]:
    """(texts,): whether both tokenizers cut a text into the same pieces."""
    before, after = (one.encode_batch(list(texts)) for one in (whole, pruned))
    return np.array([a.tokens == b.tokens for a, b in zip(before, after, strict=True)])


def tokenizer_of(named: NamedModel) -> tokenizers.Tokenizer:
    """The tokenizer.json of a bundle or checkpoint, without truncation or padding.

    Raises InputError if there is none.
    """
    assert isinstance(named.model, Bundle | CheckpointDirectory)
    path = named.model.path / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{path} is missing; the pieces of both models have to be compared")
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("whole", metavar="WHOLE")
    parser.add_argument("pruned", metavar="PRUNED")
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
    groups = distinct_texts(read_sets(options.eval))
    models = [parse_model(options.whole), parse_model(options.pruned)]
    whole_tokenizer, pruned_tokenizer = map(tokenizer_of, models)
    whole, pruned = (vectors_of(model, groups, options.cache) for model in models)
    found = []
    for texts in groups:
        same = same_pieces(texts.texts, whole_tokenizer, pruned_tokenizer)
        found.append(pruning_loss(texts, same, whole[texts.name], pruned[texts.name]))
        print(found[-1])
    if options.json:
        write_record(options.json, [asdict(one) for one in found])
    return 0


if __name__ == "__main__":
    sys.exit(main())
