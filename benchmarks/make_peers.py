"""Write the files that sentence-transformers' backends run, as sentence-transformers makes them.

    python benchmarks/make_peers.py twelve-layers peers --corpus ../shared/corpus/{ko,en}.txt.gz

OUT is a copy of the checkpoint with, beside the float exports,

- onnx: `export_dynamic_quantized_onnx_model(…, "avx512_vnni")`, int8 per channel;
- onnx, fused by onnxruntime.transformers before the same quantization: the other common way, which
  sentence-transformers does not offer, for model_call.py;
- openvino: `export_static_quantized_openvino_model` with its defaults (nncf with SmoothQuant),
  calibrated on lines of the corpora instead of the data set that it would download.

Needs the environment that benchmarks/peers.txt describes. Takes some minutes.
"""

import argparse
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from peers import ONNX_FLOAT, ONNX_FUSED_INT8, ONNX_INT8, OPENVINO_FLOAT, OPENVINO_INT8, load_peer

from ondol.checkpoint import Checkpoint
from ondol.cli.inputs import from_file
from ondol.errors import InputError, OndolError

#: As many as optimum-intel takes where its caller, here sentence-transformers, names no number.
CALIBRATION_TEXTS = 128


def write_onnx(directory: Path) -> None:
    """The float export and both int8 files."""
    transformer = load_peer("sentence_transformers")
    model = transformer.SentenceTransformer(
        str(directory),
        device="cpu",
        backend="onnx",
        model_kwargs={"provider": "CPUExecutionProvider", "export": True},
    )
    model.save_pretrained(str(directory))
    transformer.export_dynamic_quantized_onnx_model(model, "avx512_vnni", str(directory))


def write_fused(directory: Path, checkpoint: Checkpoint) -> None:
    """QAttention, SkipLayerNormalization and BiasGelu, then dynamic int8 per channel."""
    optimizer = load_peer("onnxruntime.transformers.optimizer")
    quantization = load_peer("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as work:
        fused = Path(work) / "fused.onnx"
        optimizer.optimize_model(
            str(directory / ONNX_FLOAT),
            model_type="bert",
            num_heads=checkpoint.architecture.heads,
            hidden_size=checkpoint.architecture.hidden_size,
        ).save_model_to_file(str(fused))
        quantization.quantize_dynamic(
            fused,
            directory / ONNX_FUSED_INT8,
            per_channel=True,
            extra_options={"DefaultTensorType": load_peer("onnx").TensorProto.FLOAT},
        )


def write_openvino(directory: Path, texts: Sequence[str]) -> None:
    """The float export and the static int8 file."""
    transformer = load_peer("sentence_transformers")
    model = transformer.SentenceTransformer(
        str(directory), device="cpu", backend="openvino", model_kwargs={"export": True}
    )
    model.save_pretrained(str(directory))
    with tempfile.TemporaryDirectory() as data:
        lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
        Path(data, "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
        transformer.export_static_quantized_openvino_model(
            model,
            None,
            str(directory),
            dataset_name=data,
            dataset_config_name="default",
            dataset_split="train",
            column_name="text",
        )


def calibration_texts(corpora: Sequence[Path]) -> list[str]:
    """As many of every corpus. Raises InputError if one has too few."""
    share = CALIBRATION_TEXTS // len(corpora)
    texts: list[str] = []
    for path in corpora:
        items = itertools.islice(from_file(path, "text").items, share)
        lines = [item.text for item in items]
        if len(lines) < share:
            raise InputError(f"{path} has {len(lines)} lines; calibrating needs {share}")
        texts += lines
    return texts


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path, help="a new directory")
    parser.add_argument(
        "--corpus",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="texts to calibrate on, one per line, plain or .gz",
    )
    arguments = parser.parse_args()
    try:
        for module in ("onnx", "onnxruntime", "openvino", "nncf", "sentence_transformers"):
            load_peer(module)  # before minutes of work
        checkpoint = Checkpoint(arguments.checkpoint)
        texts = calibration_texts(arguments.corpus)
        shutil.copytree(arguments.checkpoint, arguments.out)
        print("onnx", file=sys.stderr)
        write_onnx(arguments.out)
        write_fused(arguments.out, checkpoint)
        print("openvino", file=sys.stderr)
        write_openvino(arguments.out, texts)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name in (ONNX_FLOAT, ONNX_INT8, ONNX_FUSED_INT8, OPENVINO_FLOAT, OPENVINO_INT8):
        print(f"{(arguments.out / name).stat().st_size:>12,} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
