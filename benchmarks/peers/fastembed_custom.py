"""fastembed with the model added by `add_custom_model`, on optimum's export: float and int8.

`embed` as it is by default: batches of 256 in the order given, so a call whose texts differ much in
length pads a lot. A user does better on such texts with them sorted and a smaller `batch_size`; its
`parallel` starts processes, which pays for thousands of texts.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peers import sentence_transformers_onnx
from peers.contender import Contender, Encode

ENVIRONMENT = "fastembed"


def contenders(place: Path) -> list[Contender]:
    """The files of sentence-transformers' onnx backend."""
    return [
        Contender(
            name,
            __name__,
            ENVIRONMENT,
            place / sentence_transformers_onnx.FOLDER,
            (file, "tokenizer.json"),
            ("fastembed", "onnxruntime", "tokenizers"),
            {"file": file},
        )
        for name, file in (
            ("fastembed, onnx float", sentence_transformers_onnx.FLOAT),
            ("fastembed, onnx int8", sentence_transformers_onnx.INT8),
        )
    ]


def load(source: Path, threads: int, file: str) -> Encode:
    """`TextEmbedding.embed`."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    TextEmbedding.add_custom_model(
        model="custom",
        pooling=PoolingType.MEAN,
        normalization=True,
        # It insists on a place to download from; specific_model_path goes before it.
        sources=ModelSource(hf="custom"),
        dim=config["hidden_size"],
        model_file=file,
    )
    model = TextEmbedding("custom", threads=threads, specific_model_path=str(source))

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack(list(model.embed(texts))).astype(np.float32, copy=False)

    return encode
