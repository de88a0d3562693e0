"""All peers."""

from pathlib import Path

from peers import (
    ctranslate2_encoder,
    fastembed_custom,
    model2vec_static,
    optimum_onnx,
    sentence_transformers_onnx,
    sentence_transformers_openvino,
    sentence_transformers_torch,
)
from peers.contender import Contender

#: Those that make files: what make_peers.py runs, one folder each.
PREPARED = (
    sentence_transformers_torch,
    sentence_transformers_onnx,
    sentence_transformers_openvino,
    ctranslate2_encoder,
    model2vec_static,
)


def peer_contenders(place: Path) -> list[Contender]:
    """All that run what make_peers.py wrote to `place`."""
    return [
        contender
        for module in (
            sentence_transformers_torch,
            sentence_transformers_onnx,
            sentence_transformers_openvino,
            optimum_onnx,
            fastembed_custom,
            ctranslate2_encoder,
            model2vec_static,
        )
        for contender in module.contenders(place)
    ]
