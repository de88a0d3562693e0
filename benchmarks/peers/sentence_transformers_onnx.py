"""sentence-transformers with its onnx backend: optimum's export, float and dynamic int8.

int8 is `export_dynamic_quantized_onnx_model` with the preset that its documentation names for this
processor. Beside them lies the other common int8 file, which sentence-transformers does not offer:
the export fused by onnxruntime.transformers before it is quantized, for model_call.py.
"""

import functools
import json
import logging
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path

from peers.contender import Contender, Encode

ENVIRONMENT = "sentence-transformers"
FOLDER = "onnx"
FLOAT = "onnx/model.onnx"
INT8 = "onnx/model_qint8.onnx"
FUSED_INT8 = "onnx/model_fused_qint8.onnx"
NAME_INT8 = "sentence-transformers, onnx int8"


def contenders(place: Path) -> list[Contender]:
    """The float export and its int8."""
    return [
        Contender(
            name,
            __name__,
            ENVIRONMENT,
            place / FOLDER,
            (file, "tokenizer.json"),
            ("sentence-transformers", "optimum", "optimum-onnx", "onnxruntime", "transformers"),
            {"file": file},
        )
        for name, file in (("sentence-transformers, onnx float", FLOAT), (NAME_INT8, INT8))
    ]


def prepare(checkpoint: Path, out: Path, texts: Sequence[str]) -> None:
    """The float export and both int8 files; needs no texts."""
    from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

    model = SentenceTransformer(
        str(checkpoint),
        device="cpu",
        backend="onnx",
        model_kwargs={"provider": "CPUExecutionProvider", "export": True},
    )
    model.save_pretrained(str(out))
    export_dynamic_quantized_onnx_model(
        model, quantization_preset(), str(out), file_suffix=Path(INT8).stem.removeprefix("model_")
    )
    _write_fused(out)


def quantization_preset() -> str:
    """sentence-transformers' name for this processor."""
    if platform.machine() in ("aarch64", "arm64"):
        return "arm64"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return "avx2"
    for flag, preset in (("avx512_vnni", "avx512_vnni"), ("avx512f", "avx512")):
        if flag in flags:
            return preset
    return "avx2"


def _write_fused(out: Path) -> None:
    """QAttention, SkipLayerNormalization and BiasGelu, then dynamic int8 per channel."""
    from onnx import TensorProto
    from onnxruntime.quantization import quantize_dynamic
    from onnxruntime.transformers.optimizer import optimize_model

    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as work:
        fused = Path(work) / "fused.onnx"
        optimize_model(
            str(out / FLOAT),
            model_type="bert",
            num_heads=config["num_attention_heads"],
            hidden_size=config["hidden_size"],
        ).save_model_to_file(str(fused))
        quantize_dynamic(
            fused,
            out / FUSED_INT8,
            per_channel=True,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )


def load(source: Path, threads: int, file: str) -> Encode:
    """`SentenceTransformer.encode`."""
    from onnxruntime import SessionOptions
    from sentence_transformers import SentenceTransformer

    session = SessionOptions()
    session.intra_op_num_threads = threads
    logging.disable(logging.WARNING)
    model = SentenceTransformer(
        str(source),
        device="cpu",
        backend="onnx",
        model_kwargs={
            "file_name": file,
            "provider": "CPUExecutionProvider",
            "session_options": session,
        },
    )
    return functools.partial(model.encode, show_progress_bar=False)
