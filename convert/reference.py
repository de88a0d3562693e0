"""What is right: the reference set of a bundle, computed by PyTorch in float32."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ondol.checkpoint import Checkpoint
from ondol.convert.output_calibration import calibration_texts
from ondol.convert.torch_encoder import (
    load_encoder,
    load_reranker,
    reference_logits,
    reference_vectors,
)
from ondol.errors import ConversionError
from ondol.manifest import FileRecord, Reference
from ondol.runtime.tokenize import TextTokenizer
from ondol.stage import ReportStage
from ondol.task import Task

#: Each question meets its own passage and those so many places further on.
_OTHER_PASSAGES = (1, 7, 13)


@dataclass(frozen=True)
class ReferenceSet:
    """The files that were written; `calibration` is None for a reranker."""

    reference: Reference
    calibration: FileRecord | None


def reference_texts() -> list[str]:
    """The texts inside the package on which every encoder's variant is measured, with prompts.

    Written for this project. The first ones are short: every load embeds them.
    """
    texts: list[str] = _texts("reference_texts.json")
    return texts


def reference_pairs() -> list[tuple[str, str]]:
    """The pairs of query and document on which every reranker's variant is measured.

    Questions, written for this project, with the passage that answers each and with others, and
    pairs at the edges: empty, mixed, decomposed and longer than a model takes. The first ones are
    short: every load runs them.
    """
    content = _texts("reference_pairs.json")
    answered = [(query, document) for query, document in content["answered"]]
    documents = [document for _, document in answered]
    others = [
        (query, documents[(number + step) % len(documents)])
        for step in _OTHER_PASSAGES
        for number, (query, _) in enumerate(answered)
    ]
    edges = [(query, document * times) for query, document, times in content["edges"]]
    return [*answered, *others, *edges]


def write_reference(
    checkpoint: Checkpoint, prompts: Mapping[str, str], bundle: Path, report_stage: ReportStage
) -> ReferenceSet:
    """Write reference.json and reference.npy, and an encoder's calibration.npy, into `bundle`.

    Raises ConversionError if a reranker gives every pair the same logit.
    """
    tokenizer = TextTokenizer(
        bundle / "tokenizer.json", max_tokens=checkpoint.architecture.max_tokens
    )
    if checkpoint.task is Task.RERANK:
        pairs = reference_pairs()
        report_stage(f"computing the logits of {len(pairs)} reference pairs with PyTorch")
        logits = reference_logits(load_reranker(checkpoint), tokenizer.pairs(pairs).ids)
        if not logits.std() > 0:
            raise ConversionError(
                f"{checkpoint.directory} gives every reference pair the logit {logits[0]}; "
                "expected a trained reranker"
            )
        return ReferenceSet(_written(bundle, pairs, logits), None)
    texts = reference_texts()
    report_stage(f"computing {len(texts)} reference vectors with PyTorch")
    encoder = load_encoder(checkpoint)
    vectors = reference_vectors(encoder, checkpoint, tokenizer(texts).ids)
    lines = calibration_texts(list(prompts.values()))
    report_stage(f"computing {len(lines)} calibration vectors with PyTorch")
    path = bundle / "calibration.npy"
    np.save(path, reference_vectors(encoder, checkpoint, tokenizer(lines).ids))
    return ReferenceSet(_written(bundle, texts, vectors), FileRecord.of(path, bundle))


def _written(bundle: Path, inputs: Sequence[Any], outputs: NDArray[np.float32]) -> Reference:
    texts_path, vectors_path = bundle / "reference.json", bundle / "reference.npy"
    text = json.dumps(inputs, ensure_ascii=False, indent=1) + "\n"
    texts_path.write_text(text, encoding="utf-8")
    np.save(vectors_path, outputs)
    return Reference(
        texts=FileRecord.of(texts_path, bundle),
        vectors=FileRecord.of(vectors_path, bundle),
        engine=f"torch {version('torch')}, transformers {version('transformers')}, float32",
    )


def _texts(name: str) -> Any:
    return json.loads(files("ondol.convert").joinpath(name).read_text("utf-8"))
