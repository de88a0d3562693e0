"""llama.cpp behind the seam: PyTorch's token states, in every variant, and clear errors."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from ondol.checkpoint import Checkpoint
from ondol.convert.gguf_agreement import LlamaTokenizer
from ondol.convert.torch_encoder import load_encoder
from ondol.errors import AgreementError, BundleError, ClosedError, InputError
from ondol.runtime.backend import TokenStates
from ondol.runtime.llama_backend import LlamaBackend
from ondol.runtime.llama_library import llama_library
from ondol.runtime.pool import pool

MakeCheckpoint = Callable[..., Path]
MakeGguf = Callable[..., Path]

#: Texts of the tiny vocabulary as ids, of lengths 2 to 24, which is the maximum.
TEXTS = [
    [0, 9, 11, 2],
    [0, 2],
    [0, *range(4, 17), *range(5, 14), 2],
    [0, 16, 3, 5, 5, 6, 2],
    [0, 12, 2],
]

#: Largest difference of a token state to PyTorch, of states with a standard deviation of 1, without
#: and with flash attention. llama.cpp computes GELU from a table of float16 values (ggml-cpu/vec.h,
#: ggml_table_gelu_f16), and the random weights of the tiny models are large on purpose.
MAX_DIFFERENCE = {
    ("gguf-f32", False): 0.01,
    ("gguf-f32", True): 0.05,
    ("gguf-f16", False): 0.05,
    ("gguf-f16", True): 0.05,
}

#: Smallest cosine of a token state to PyTorch, with weights of a trained model's size. A position
#: that is off by one gives less than 0.9.
MIN_COSINE = {"gguf-q8_0": 0.999, "gguf-q5_0": 0.99, "gguf-q4_0": 0.97, "gguf-q4_k_m": 0.98}

#: Between llama.cpp's own pooling and ours, on vectors of values around 1.
POOLING_TOLERANCE = 1e-5


def torch_states(directory: Path, sequences: Sequence[Sequence[int]]) -> list[TokenStates]:
    import torch

    model = load_encoder(Checkpoint(directory))
    with torch.inference_mode():
        return [
            model(
                input_ids=torch.tensor([list(ids)]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            )
            .last_hidden_state[0]
            .numpy()
            for ids in sequences
        ]


def open_file(path: Path, *, batch_tokens: int = 0, flash_attention: bool = False) -> LlamaBackend:
    return LlamaBackend(
        path,
        threads=2,
        max_tokens=24,
        flash_attention=flash_attention,
        batch_tokens=batch_tokens,
    )


@pytest.fixture
def backend(make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf) -> Iterator[LlamaBackend]:
    opened = open_file(make_gguf(make_checkpoint()))
    yield opened
    opened.close()


def run(path: Path, *, batch_tokens: int = 0, flash_attention: bool = False) -> list[TokenStates]:
    backend = open_file(path, batch_tokens=batch_tokens, flash_attention=flash_attention)
    try:
        return backend.outputs(TEXTS)
    finally:
        backend.close()


@pytest.mark.parametrize(("variant", "flash_attention"), MAX_DIFFERENCE)
@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
def test_float_states_are_pytorchs(
    make_checkpoint: MakeCheckpoint,
    make_gguf: MakeGguf,
    model_type: str,
    variant: str,
    flash_attention: bool,
) -> None:
    directory = make_checkpoint(model_type=model_type)
    got = run(make_gguf(directory, variant), flash_attention=flash_attention)
    for index, (ours, expected) in enumerate(zip(got, torch_states(directory, TEXTS), strict=True)):
        assert ours.shape == expected.shape == (len(TEXTS[index]), 32)
        assert ours.dtype == np.float32
        assert np.abs(ours - expected).max() < MAX_DIFFERENCE[variant, flash_attention], index


def shrink_matrices(directory: Path) -> None:
    """Give the matrices the size of trained ones: with the fixture's, attention saturates."""
    path = directory / "model.safetensors"
    state = load_file(path)
    save_file(
        {name: t * 0.1 if "layer" in name and t.ndim == 2 else t for name, t in state.items()},
        path,
        metadata={"format": "pt"},
    )


@pytest.mark.parametrize("variant", MIN_COSINE)
@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
def test_quantized_states_are_near_pytorchs(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, model_type: str, variant: str
) -> None:
    directory = make_checkpoint(model_type=model_type, hidden_size=256)
    shrink_matrices(directory)
    got = np.concatenate(run(make_gguf(directory, variant), flash_attention=True))
    expected = np.concatenate(torch_states(directory, TEXTS))
    norms = np.linalg.norm(got, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = (got * expected).sum(axis=1) / norms
    assert cosines.min() > MIN_COSINE[variant]


def test_shape_as_llama_cpp_reads_it(backend: LlamaBackend) -> None:
    # 20 rows in the checkpoint, 17 entries in the tokenizer.
    assert (backend.vocab_rows, backend.columns) == (17, 32)
    assert not backend.equal_lengths


def test_alone_or_in_company_the_states_are_the_same_bits(backend: LlamaBackend) -> None:
    assert backend.max_batch_tokens == 0
    together = backend.outputs(TEXTS)
    for ids, states in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(backend.outputs([ids])[0], states)


@pytest.mark.parametrize("batch_tokens", [7, 24, 1000])
def test_packed_batches(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, batch_tokens: int
) -> None:
    path = make_gguf(make_checkpoint())
    for packed, alone in zip(run(path, batch_tokens=batch_tokens), run(path), strict=True):
        np.testing.assert_allclose(packed, alone, atol=5e-3)  # two ulps of the GELU table


def test_more_texts_than_llama_cpp_takes_in_a_batch(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf
) -> None:
    backend = open_file(make_gguf(make_checkpoint()), batch_tokens=10_000)
    texts = [TEXTS[index % 2] for index in range(600)]  # LLAMA_MAX_SEQ is 256
    states = backend.outputs(texts)
    backend.close()
    assert [len(s) for s in states] == [len(ids) for ids in texts]
    np.testing.assert_allclose(states[598], states[0], atol=5e-3)
    np.testing.assert_allclose(states[599], states[1], atol=5e-3)


def test_results_stay_when_the_next_batch_runs(backend: LlamaBackend) -> None:
    (first,) = backend.outputs([TEXTS[0]])
    before = first.copy()
    backend.outputs([TEXTS[2]])
    np.testing.assert_array_equal(first, before)


def test_no_texts(backend: LlamaBackend) -> None:
    assert backend.outputs([]) == []


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([], InputError, "text 1 has 0 tokens; expected 1 to 24"),
        ([0] * 25, InputError, "text 1 has 25 tokens"),
        ([0, 17, 2], AgreementError, "text 1 has token ids from 0 to 17, .* rows 0 to 16"),
        ([0, -1, 2], AgreementError, "from -1 to 2"),
    ],
)
def test_unusable_ids(
    backend: LlamaBackend, ids: list[int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        backend.outputs([TEXTS[0], ids])
    assert len(backend.outputs([TEXTS[0]])) == 1, "the backend must stay usable"


def test_after_close(backend: LlamaBackend) -> None:
    backend.close()
    backend.close()
    with pytest.raises(ClosedError):
        backend.outputs([TEXTS[0]])


@pytest.mark.parametrize(
    ("content", "reason"), [(b"no gguf file", "does not begin"), (None, "No such file")]
)
def test_file_that_llama_cpp_refuses(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes | None, reason: str
) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=f"cannot read .*{reason}"):
        open_file(path)
    assert capfd.readouterr() == ("", "")


def test_damaged_file(make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf) -> None:
    path = make_gguf(make_checkpoint())
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BundleError, match="its tensors end at"):
        open_file(path)


def test_fewer_positions_than_asked_for(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf
) -> None:
    path = make_gguf(make_checkpoint(max_tokens=16))
    with pytest.raises(AgreementError, match="16 positions, but texts may have 24"):
        open_file(path)


@pytest.mark.parametrize(
    ("info", "extra"), [(b"AVX512_VNNI = 1 | AMX_INT8 = 1 | ", False), (b"AVX2 = 1 | ", True)]
)
def test_weights_are_not_laid_out_for_amx(
    make_checkpoint: MakeCheckpoint,
    make_gguf: MakeGguf,
    monkeypatch: pytest.MonkeyPatch,
    info: bytes,
    extra: bool,
) -> None:
    """There the process would end where torch or onnxruntime had used AMX on the same thread: on
    such a processor test_quantized_states_are_near_pytorchs shows it.
    """
    library = llama_library("A test")
    load = library.llama_model_load_from_file
    seen: list[bool] = []

    def watched_load(path: bytes, params: Any) -> Any:
        seen.append(params.use_extra_bufts)
        return load(path, params)

    monkeypatch.setattr(library, "llama_print_system_info", lambda: info)
    monkeypatch.setattr(library, "llama_model_load_from_file", watched_load)
    open_file(make_gguf(make_checkpoint())).close()
    assert seen == [extra]


def test_it_is_quiet(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make_gguf(make_checkpoint())
    capfd.readouterr()
    run(path)
    assert capfd.readouterr() == ("", "")


def test_many_threads_at_once(backend: LlamaBackend) -> None:
    expected = backend.outputs(TEXTS)
    failures: list[str] = []

    def work(shift: int) -> None:
        for step in range(20):
            index = (shift + step) % len(TEXTS)
            (states,) = backend.outputs([TEXTS[index]])
            if not np.array_equal(states, expected[index]):
                failures.append(f"thread {shift}, text {index}")

    threads = [threading.Thread(target=work, args=(shift,)) for shift in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_its_own(make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf) -> None:
    """With two threads, after the parent has used OpenMP: the case in which libgomp deadlocks."""
    path = make_gguf(make_checkpoint())
    parent = open_file(path)
    (expected,) = parent.outputs([TEXTS[2]])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(60)  # A deadlock would hold up the test run.
            try:
                parent.outputs([TEXTS[2]])
            except ClosedError:
                parent.close()
                (states,) = open_file(path).outputs([TEXTS[2]])
                status = 0 if np.array_equal(states, expected) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(parent.outputs([TEXTS[2]])[0], expected)
    parent.close()


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta"])
def test_llama_cpp_alone_gives_the_same_vector(
    make_checkpoint: MakeCheckpoint, make_gguf: MakeGguf, model_type: str, pooling: str
) -> None:
    """What llama-server does: its own tokenizer, and the pooling that the file records."""
    import llama_cpp

    directory = make_checkpoint(model_type=model_type, pooling=pooling)
    path = make_gguf(directory)
    text = "한국 ab 한국어 ☃"
    with LlamaTokenizer(path) as tokenizer:
        ids = tokenizer.encode(text)
    (states,) = run_one(path, ids)
    ours = pool(states, Checkpoint(directory).pooling)

    # LLAMA_POOLING_TYPE_UNSPECIFIED takes the file's own.
    llama = llama_cpp.Llama(
        str(path), embedding=True, n_ctx=24, n_batch=24, pooling_type=-1, verbose=False
    )
    theirs = np.asarray(llama.embed(text, normalize=False))
    llama.close()
    assert theirs.shape == (32,)
    np.testing.assert_allclose(theirs, ours, atol=POOLING_TOLERANCE)


def run_one(path: Path, ids: list[int]) -> list[TokenStates]:
    backend = open_file(path)
    try:
        return backend.outputs([ids])
    finally:
        backend.close()
