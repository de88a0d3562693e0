"""The table of one published shape."""

import json
from pathlib import Path

from checkpoint_shapes import as_text, with_shape


def test_the_smallest_variant_is_named_and_a_failure_is_told() -> None:
    cost = {"seconds": 6.0, "peak_bytes": 500_000_000}
    parity = {"mean_cosine": 0.9999, "min_cosine": 0.9991, "floor": 0.999}
    text = as_text(
        {
            "encoder": "some/model",
            "layers": 6,
            "hidden_size": 384,
            "max_tokens": 8192,
            "source_rows": 250_002,
            "rows": 48_000,
            "source_bytes": 90_000_000,
            "pruned_bytes": 60_000_000,
            "prune": cost,
            "variants": [
                {"name": "onnx-fp32", "problem": None, "bytes": 40_000_000, **parity, **cost},
                {"name": "gguf-q8_0", "problem": None, "bytes": 10_000_000, **parity, **cost},
                {"name": "gguf-q4_0", "problem": "below its floor"},
            ],
        }
    )
    assert "8,192 tokens" in text
    assert "smallest variant: gguf-q8_0, 10,000,000 bytes, 9.0 times smaller" in text
    assert text.endswith("gguf-q4_0: below its floor\n")


def test_a_file_holds_one_shape_of_each_model_in_the_order_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "shapes.json"
    large = {"encoder": "BAAI/bge-m3", "layers": 24}
    assert with_shape(path, large) == [large]
    path.write_text(json.dumps({"results": [large]}), encoding="utf-8")
    small = {"encoder": "intfloat/multilingual-e5-small", "layers": 12}
    assert with_shape(path, small) == [small, large]
    newer = large | {"layers": 2}
    assert with_shape(path, newer) == [newer]
