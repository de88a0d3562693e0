"""8,192 tokens: PyTorch's vector, in memory that does not grow with heads times tokens squared."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ondol.benchmarks import process
from ondol.benchmarks.process import run_process
from ondol.checkpoint import Checkpoint
from ondol.convert.encoder_graph import EncoderPlan, write_encoder
from ondol.convert.encoder_weights import EncoderWeights
from ondol.convert.torch_encoder import load_encoder
from ondol.runtime import llama_context
from ondol.runtime.backend import TokenStates
from ondol.runtime.llama_backend import LlamaBackend
from ondol.runtime.similarity import rowwise_cosine

MakeCheckpoint = Callable[..., Path]
MakeGguf = Callable[..., Path]

TOKENS = 8192
IDS = [0, *(4 + 7 * position % 12 for position in range(TOKENS - 2)), 2]

#: What the long text's process may take on top of a short one's. The scores of all four heads at
#: once would be 1,074 MB; llama.cpp keeps one mask of tokens x tokens for all, 134 MB in float16.
BOUND = 400_000_000

#: Smallest cosine of a token state to PyTorch.
MIN_COSINE = {"onnx-fp32": 0.99999, "gguf-f32": 0.9999}

#: Runs one text and writes the states of its first and last token.
PROGRAM = """
import sys
from pathlib import Path
import numpy as np

path, tokens = Path(sys.argv[1]), int(sys.argv[2])
ids = [0, *(4 + 7 * position % 12 for position in range(tokens - 2)), 2]
if path.suffix == ".onnx":
    from ondol.runtime.onnx_backend import OnnxBackend
    backend = OnnxBackend(path, threads=1, max_batch_tokens=512)
else:
    from ondol.runtime.llama_backend import LlamaBackend
    backend = LlamaBackend(path, threads=1, max_tokens=8192, flash_attention=False)
(states,) = backend.outputs([ids])
np.save(sys.argv[3], states[[0, -1]])
"""


@pytest.mark.skipif(not process.AVAILABLE, reason="POSIX processes")
def test_8192_tokens(make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, tmp_path: Path) -> None:
    directory = make_checkpoint(model_type="xlm-roberta", max_tokens=TOKENS)
    checkpoint = Checkpoint(directory)
    weights = EncoderWeights.of(checkpoint)
    expected = torch_states(checkpoint)
    onnx = tmp_path / "model.onnx"
    write_encoder(weights, EncoderPlan.in_float(weights), onnx)
    states_path = tmp_path / "states.npy"
    for variant, path in (("onnx-fp32", onnx), ("gguf-f32", make_gguf(directory))):
        short, long = (
            run_process((sys.executable, "-c", PROGRAM, str(path), str(tokens), str(states_path)))
            for tokens in (16, TOKENS)
        )
        assert rowwise_cosine(np.load(states_path), expected).min() >= MIN_COSINE[variant], variant
        assert 0 < long.peak_bytes - short.peak_bytes <= BOUND, variant


def torch_states(checkpoint: Checkpoint) -> NDArray[np.float32]:
    """PyTorch's states of the first and the last token: (2, hidden_size) float32."""
    import torch

    model = load_encoder(checkpoint)
    # Computes the same without a matrix of all scores; what sentence-transformers uses.
    model.set_attn_implementation("sdpa")
    ids = torch.tensor([IDS])
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    result: NDArray[np.float32] = states[0, [0, -1]].numpy()
    return result


def test_flash_attention_depends_on_the_text_alone(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long text between two runs of a short one changes neither, and both are what they were."""
    path = make_gguf(make_checkpoint())
    short, long = [0, 9, 11, 2], [0, *range(4, 16), *range(4, 12), 2]

    def run(*texts: list[int], flash_attention: bool) -> list[TokenStates]:
        backend = LlamaBackend(path, threads=1, max_tokens=24, flash_attention=flash_attention)
        try:
            return [backend.outputs([text])[0] for text in texts]
        finally:
            backend.close()

    (exact_short,) = run(short, flash_attention=False)
    (exact_long,) = run(long, flash_attention=False)
    (flash_long,) = run(long, flash_attention=True)
    assert not np.array_equal(exact_long, flash_long)
    monkeypatch.setattr(llama_context, "EXACT_TOKENS", 12)
    before, between, after = run(short, long, short, flash_attention=False)
    np.testing.assert_array_equal(before, exact_short)
    np.testing.assert_array_equal(between, flash_long)
    np.testing.assert_array_equal(after, exact_short)
