"""Every reader meets thousands of damaged files: ondol's own error or a sound result, nothing else.

ONDOL_FUZZ_CASES=20000 python -m pytest tests/fuzz    is the long run; the number is per reader.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from ondol.search import update
from ondol.testing import FakeEmbedder

CASES = int(os.environ.get("ONDOL_FUZZ_CASES", "60"))
PROGRAM = Path(__file__).with_name("damage.py")

#: No damaged file of these sizes may keep a reader for so long, in seconds.
LONGEST = 20.0

#: A file of the bundle, the variant that reads it, and the check at which it gets furthest.
READERS = [
    ("ondol.json", "onnx-fp32", "quick"),
    ("tokenizer.json", "onnx-fp32", "off"),
    ("tokenizer.json", "onnx-fp32", "quick"),
    ("reference.json", "onnx-fp32", "quick"),
    ("reference.npy", "onnx-fp32", "quick"),
    ("calibration.npy", "onnx-fp32", "off"),
    ("onnx/model-fp32.onnx", "onnx-fp32", "off"),
    ("onnx/model-int8.onnx", "onnx-int8", "off"),
    ("onnx/model-int4.onnx", "onnx-int4", "off"),
    ("gguf/model-f16.gguf", "gguf-f16", "off"),
]

#: The same of a reranker's bundle.
RERANKER_READERS = [
    ("ondol.json", "rerank:onnx-fp32", "quick"),
    ("reference.json", "rerank:onnx-fp32", "quick"),
    ("onnx/model-int8.onnx", "rerank:onnx-int8", "off"),
    ("gguf/model-q8_0.gguf", "rerank:gguf-q8_0", "off"),
]

#: Of a checkpoint, for which weights are cut into two files with an index.
CHECKPOINT_FILES = [
    "config.json",
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "model.safetensors",
    "model.safetensors.index.json",
]


def outcomes(directory: Path, name: str, reader: str, check: str = "off") -> Counter[str]:
    """Run all cases in one child. Fails with the case that ended or stopped it."""
    command = [sys.executable, PROGRAM, directory, name, reader, check, "0", str(CASES)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST * CASES)
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    assert child.returncode == 0, (child.returncode, lines[-1:], child.stderr[-2000:])
    done = [line for line in lines if "found" in line]
    assert len(done) == CASES
    assert max(line["seconds"] for line in done) < LONGEST
    return Counter(line["found"] for line in done)


@pytest.mark.parametrize(("name", "variant", "check"), READERS)
def test_a_file_of_a_bundle(
    tiny_bundle: Path, tmp_path: Path, name: str, variant: str, check: str
) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    found = outcomes(bundle, name, variant, check)
    assert found.total() - found["read"] > 0, "no case did any damage"


@pytest.mark.parametrize(("name", "reader", "check"), RERANKER_READERS)
def test_a_file_of_a_reranker(
    tiny_reranker: Path, tmp_path: Path, name: str, reader: str, check: str
) -> None:
    bundle = Path(shutil.copytree(tiny_reranker / "bundle", tmp_path / "bundle"))
    found = outcomes(bundle, name, reader, check)
    assert found.total() - found["read"] > 0, "no case did any damage"


def test_files_of_a_checkpoint(make_checkpoint: Callable[..., Path]) -> None:
    checkpoint = make_checkpoint()
    cut_in_two(checkpoint / "model.safetensors")
    found = outcomes(checkpoint, ",".join(CHECKPOINT_FILES), "checkpoint")
    assert found.keys() <= {"read", "CheckpointError", "ConversionError", "InputError"}
    assert found["CheckpointError"] > 0


def cut_in_two(weights: Path) -> None:
    """As transformers' save_pretrained does with large ones, but the first file keeps its name."""
    tensors = load_file(weights)
    names = sorted(tensors)
    files = {weights.name: names[::2], "second.safetensors": names[1::2]}
    for name, part in files.items():
        save_file({key: tensors[key] for key in part}, weights.with_name(name))
    index = {"weight_map": {key: name for name, part in files.items() for key in part}}
    weights.with_name("model.safetensors.index.json").write_text(json.dumps(index))


def test_an_index(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    for number in range(20):
        (tmp_path / "documents" / f"{number}.md").write_text(f"# 여행\n\n국내 {number}")
    update(
        tmp_path / "index.sqlite3",
        tmp_path / "documents",
        FakeEmbedder(dimension=8, prompts={}),
    )
    found = outcomes(tmp_path, "index.sqlite3", "index")
    assert found["IndexDamagedError"] > 0
    assert found.keys() <= {
        "read", "IndexDamagedError", "IndexFormatError", "IndexModelError", "IndexNotFoundError",
    }  # fmt: skip


def test_files_of_texts(tmp_path: Path) -> None:
    texts = ["가나", "a, b", 'c "d"', ""]
    pq.write_table(pa.table({"text": texts, "n": range(4)}), tmp_path / "a.parquet")
    rows = [json.dumps({"text": text, "n": [1, {"m": 2}]}) for text in texts]
    (tmp_path / "a.jsonl").write_text("\n".join(rows), encoding="utf-8")
    quoted = ['"' + text.replace('"', '""') + '",1' for text in texts]
    (tmp_path / "a.csv").write_text("\n".join(["text,n", *quoted]), encoding="utf-8")
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        found = outcomes(tmp_path, name, "texts")
        assert found.keys() <= {"read", "InputError"}
        assert found["InputError"] > 0
