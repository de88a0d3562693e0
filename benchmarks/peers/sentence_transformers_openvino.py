"""sentence-transformers with its openvino backend: float, and static int8 by nncf.

int8 is `export_static_quantized_openvino_model` with its defaults (SmoothQuant), calibrated on the
given texts instead of the data set that it would download. OpenVINO computes what is not int8 in
bfloat16 where the processor has it: that too is its default.
"""

import functools
import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers.contender import Contender, Encode

ENVIRONMENT = "sentence-transformers"
FOLDER = "openvino"
FLOAT = "openvino/openvino_model.xml"
INT8 = "openvino/openvino_model_qint8_quantized.xml"
NAME_INT8 = "sentence-transformers, openvino int8"


def contenders(place: Path) -> list[Contender]:
    """The float export and its int8."""
    return [
        Contender(
            name,
            __name__,
            ENVIRONMENT,
            place / FOLDER,
            (file, str(Path(file).with_suffix(".bin")), "tokenizer.json"),
            ("sentence-transformers", "optimum-intel", "openvino", "nncf", "transformers"),
            {"file": file},
        )
        for name, file in (("sentence-transformers, openvino float", FLOAT), (NAME_INT8, INT8))
    ]


def prepare(checkpoint: Path, out: Path, texts: Sequence[str]) -> None:
    """The float export and the static int8 file."""
    from sentence_transformers import SentenceTransformer, export_static_quantized_openvino_model

    model = SentenceTransformer(
        str(checkpoint), device="cpu", backend="openvino", model_kwargs={"export": True}
    )
    model.save_pretrained(str(out))
    with tempfile.TemporaryDirectory() as data:
        lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
        Path(data, "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
        export_static_quantized_openvino_model(
            model,
            None,
            str(out),
            dataset_name=data,
            dataset_config_name="default",
            dataset_split="train",
            column_name="text",
        )


def openvino_options(threads: int) -> dict[str, Any]:
    """One request at a time on so many threads, as optimum-intel sets it up by default."""
    return {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}


def load(source: Path, threads: int, file: str) -> Encode:
    """`SentenceTransformer.encode`."""
    from sentence_transformers import SentenceTransformer

    logging.disable(logging.WARNING)
    model = SentenceTransformer(
        str(source),
        device="cpu",
        backend="openvino",
        model_kwargs={"file_name": file, "ov_config": openvino_options(threads)},
    )
    return functools.partial(model.encode, show_progress_bar=False)
