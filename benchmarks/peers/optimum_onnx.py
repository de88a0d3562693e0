"""optimum's ORTModelForFeatureExtraction on the int8 file, with the user's own loop around it.

It has no `encode`: sorting, batches and pooling are ours, as sentence-transformers has them.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peers import sentence_transformers_onnx
from peers.batches import in_batches, mean_pooled
from peers.contender import Contender, Encode


def contenders(place: Path) -> list[Contender]:
    """The int8 file of sentence-transformers' onnx backend."""
    return [
        Contender(
            "optimum ORTModel, onnx int8",
            __name__,
            sentence_transformers_onnx.ENVIRONMENT,
            place / sentence_transformers_onnx.FOLDER,
            (sentence_transformers_onnx.INT8, "tokenizer.json"),
            ("optimum", "optimum-onnx", "onnxruntime", "transformers"),
        )
    ]


def load(source: Path, threads: int) -> Encode:
    """Tokenizer of transformers, model of optimum, numpy in and out."""
    from onnxruntime import SessionOptions
    from optimum.onnxruntime import ORTModelForFeatureExtraction
    from transformers import AutoTokenizer

    session = SessionOptions()
    session.intra_op_num_threads = threads
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = ORTModelForFeatureExtraction.from_pretrained(
        source,
        subfolder=str(Path(sentence_transformers_onnx.INT8).parent),
        file_name=Path(sentence_transformers_onnx.INT8).name,
        provider="CPUExecutionProvider",
        session_options=session,
    )

    def encode_batch(texts: list[str]) -> NDArray[np.float32]:
        inputs = tokenizer(
            texts, padding=True, truncation=True, max_length=512, return_tensors="np"
        )
        states = model(**inputs).last_hidden_state  # (texts, tokens, dim)
        return mean_pooled(states, inputs["attention_mask"].sum(axis=1))

    return lambda texts: in_batches(texts, encode_batch)
