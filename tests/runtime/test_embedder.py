"""Embedder over a real, tiny bundle: arguments, results, threads, processes, life and death."""

import multiprocessing
import pickle
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers.util import quantize_embeddings, truncate_embeddings

from ondol.convert.output_calibration import calibration_texts
from ondol.engine import Engine
from ondol.errors import (
    BundleNotFoundError,
    ClosedError,
    InputError,
    NumericalError,
    OndolError,
    VariantError,
)
from ondol.manifest import Manifest
from ondol.runtime.embedder import Embedder
from ondol.runtime.engines import choose_variant
from ondol.runtime.pool import finish
from ondol.runtime.reports import TruncationWarning
from ondol.runtime.similarity import rowwise_cosine
from ondol.variants import Variant

VARIANTS = ["onnx-fp32", "onnx-int8", "onnx-int4", "gguf-f32", "gguf-f16"]
#: Every variant in its engine, and the ONNX ones in OpenVINO.
RUNS = [(v, Engine.of(Variant.parse(v)).value) for v in VARIANTS]
RUNS += [(v, "openvino") for v in VARIANTS[:3]]

TEXTS = ["한국 a", "", "b", "ab 한국 한국 a b", "어 한", "한국 a", "жж 국"]


@pytest.fixture(params=RUNS, ids=" in ".join)
def embedder(request: pytest.FixtureRequest, tiny_bundle: Path) -> Iterator[Embedder]:
    variant, engine = request.param
    with Embedder(tiny_bundle, variant=variant, engine=engine, threads=2) as embedder:
        yield embedder


def test_shapes_and_norms(embedder: Embedder) -> None:
    one = embedder.encode("한국")
    assert (one.shape, one.dtype) == ((32,), np.float32)
    many = embedder.encode(TEXTS)
    assert (many.shape, many.dtype) == ((7, 32), np.float32)
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1, atol=1e-6)
    assert embedder.encode([]).shape == (0, 32)
    assert embedder.encode(tuple(TEXTS)).tobytes() == many.tobytes()
    assert embedder.encode(np.array(TEXTS)).tobytes() == many.tobytes()
    assert embedder.dimension == 32


def test_order_is_kept_and_equal_texts_have_equal_vectors(embedder: Embedder) -> None:
    vectors = embedder.encode(TEXTS)
    assert (vectors[0] == vectors[5]).all()
    alone = np.stack([embedder.encode(text) for text in TEXTS])
    assert rowwise_cosine(vectors, alone).min() > 0.99999
    assert rowwise_cosine(vectors[:-1], vectors[1:]).max() < 0.999, "texts must not be mixed up"


def test_truncated_vectors_are_those_of_sentence_transformers_scaled_again(
    tiny_bundle: Path, embedder: Embedder
) -> None:
    whole = embedder.encode(TEXTS)
    expected = truncate_embeddings(whole, 12)
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    short = embedder.encode(TEXTS, truncate_dim=12)
    assert (short.shape, short.dtype) == ((7, 12), np.float32)
    np.testing.assert_allclose(short, expected, atol=1e-6)
    assert embedder.encode("b", truncate_dim=99).shape == (32,)
    options: Any = {"variant": embedder.variant, "engine": embedder.engine, "truncate_dim": 12}
    with Embedder(tiny_bundle, **options) as shortening:
        assert shortening.dimension == 12
        assert np.array_equal(shortening.encode(TEXTS), short)
        assert shortening.encode("b", truncate_dim=20).shape == (20,)


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
@pytest.mark.parametrize("dimension", [32, 12])
def test_bytes_are_those_of_sentence_transformers_with_the_bundles_vectors(
    tiny_bundle: Path, precision: Any, dimension: int
) -> None:
    calibration = truncate_embeddings(np.load(tiny_bundle / "calibration.npy"), dimension)
    if dimension < 32:
        calibration = np.stack(
            [finish(row, normalize=True, index=0) for row in calibration], dtype=np.float32
        )
    with Embedder(tiny_bundle, variant="onnx-fp32", truncate_dim=dimension) as embedder:
        expected = quantize_embeddings(
            embedder.encode(TEXTS), precision, calibration_embeddings=calibration
        )
        found = embedder.encode(TEXTS, precision=precision)
        assert np.array_equal(found, expected)
        assert found.dtype == expected.dtype
        # Of one text alone, too: sentence-transformers' own encode would take ranges of the batch.
        assert np.array_equal(embedder.encode(TEXTS[3], precision=precision), expected[3])
        with pytest.raises(InputError, match="expected float32"):
            embedder.similarity(found, found)


@pytest.mark.filterwarnings("ignore::ondol.TruncationWarning")
@pytest.mark.parametrize("dimension", [32, 12])
def test_similarity_of_int8_vectors_is_close_to_that_of_the_numbers(
    tiny_bundle: Path, dimension: int
) -> None:
    texts = calibration_texts(["a ", "b "])[::20]  # inside of the ranges
    with Embedder(tiny_bundle, variant="onnx-fp32", truncate_dim=dimension) as embedder:
        numbers = embedder.encode(texts)
        again = embedder.dequantize(embedder.encode(texts, precision="int8"))
        assert rowwise_cosine(again, numbers).min() > 0.9999
        scores = embedder.similarity(again, numbers)
        np.testing.assert_allclose(scores, embedder.similarity(numbers, numbers), atol=0.01)


def test_many_windows_fill_every_row(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Embedder(tiny_bundle, variant="onnx-fp32") as embedder:
        expected = embedder.encode(TEXTS, precision="int8", truncate_dim=12)
        monkeypatch.setattr("ondol.runtime.embedder.WINDOW_TEXTS", 2)
        found = embedder.encode(TEXTS, precision="int8", truncate_dim=12)
    assert np.array_equal(found, expected)


def test_prompts(embedder: Embedder) -> None:
    assert embedder.prompts == {"query": "a ", "passage": "b "}
    plain = embedder.encode("a 한국")
    assert (embedder.encode("한국", prompt="a ") == plain).all()
    assert (embedder.encode("한국", prompt_name="query") == plain).all()
    assert (embedder.encode_query("한국") == plain).all()
    assert (embedder.encode_query(["한국"]) == plain[None]).all()
    assert (embedder.encode_document("한국") == embedder.encode("b 한국")).all()
    assert (embedder.encode_query("한국", prompt="") == embedder.encode("한국")).all()
    with pytest.raises(InputError, match="no prompt named 'task'; it has 'query', 'passage'"):
        embedder.encode("한국", prompt_name="task")


def test_result_reports_what_was_cut(embedder: Embedder) -> None:
    texts = ["a", "a " * 40, "b", "a " * 22]
    with pytest.warns(TruncationWarning, match="1 of 4 texts are longer than 24 tokens"):
        result = embedder.embed(texts)
    assert result.token_counts.tolist() == [3, 24, 4, 24]
    assert result.truncated == (1,)
    assert (result.vectors[1] == result.vectors[3]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # reported once
        assert embedder.embed(texts).truncated == (1,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.encode([1]), "text 0 is of type int"),
        (lambda e: e.encode(["a", None]), "text 1 is of type NoneType"),
        (lambda e: e.encode(["a", "\ud800"]), "text 1 holds a lone surrogate"),
        (lambda e: e.encode(b"a"), "bytes; expected a sequence of str"),
        (lambda e: e.encode({"a"}), "set; expected a sequence of str"),
        (lambda e: e.encode("a", batch_size=0), "batch_size is 0"),
        (lambda e: e.encode("a", prompt=3), "prompt is a int"),
        (lambda e: e.encode("a", precision="int4"), "unknown precision 'int4'; expected one of"),
        (lambda e: e.encode("a", truncate_dim=0), "truncate_dim is 0; expected a whole number"),
        (lambda e: e.encode("a", convert_to_numpy=False), "convert_to_numpy is False"),
    ],
)
def test_bad_input_is_named(tiny_bundle: Path, call: Any, message: str) -> None:
    with Embedder(tiny_bundle, variant="onnx-fp32") as embedder:
        with pytest.raises(InputError, match=message):
            call(embedder)
        embedder.encode("a")  # still usable


def test_bad_arguments_are_named(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(VariantError, match="unknown variant 'onnx-int9'; expected one of: onnx-"):
        Embedder(tiny_bundle, variant="onnx-int9")
    with pytest.raises(VariantError, match="no variant gguf-q8_0; it holds onnx-fp32, onnx-int8"):
        Embedder(tiny_bundle, variant="gguf-q8_0")
    with pytest.raises(InputError, match="threads is 0"):
        Embedder(tiny_bundle, threads=0)
    with pytest.raises(InputError, match=r"truncate_dim is 2\.5; expected a whole number from 1"):
        Embedder(tiny_bundle, truncate_dim=2.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="check is 'most'; expected one of 'full'"):
        Embedder(tiny_bundle, check="most")
    with pytest.raises(BundleNotFoundError, match=r"has no ondol\.json"):
        Embedder(tmp_path)
    with pytest.raises(BundleNotFoundError, match="is not a directory"):
        Embedder(tmp_path / "nowhere")


def test_the_default_variant_is_the_fastest_installed(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Embedder(tiny_bundle) as embedder:
        assert embedder.variant == "onnx-int8"
    manifest = Manifest.read(tiny_bundle)
    gguf = replace(manifest, variants=manifest.variants[3:])
    assert choose_variant(gguf) is Variant.GGUF_F16
    monkeypatch.setattr("ondol.runtime.engines.find_spec", lambda name: None)
    assert choose_variant(manifest) is Variant.ONNX_INT8
    with pytest.raises(VariantError, match=r"pip install 'ondol\[gguf\]'"):
        choose_variant(gguf)


def test_normal_form_composes_hangul(tiny_bundle: Path) -> None:
    decomposed = "\u1112\u1161\u11ab\u1100\u116e\u11a8"  # 한국 as macOS stores it
    with Embedder(tiny_bundle, variant="onnx-fp32") as plain:
        expected = plain.encode("한국")
        assert rowwise_cosine(plain.encode(decomposed), expected) < 0.999
    with Embedder(tiny_bundle, variant="onnx-fp32", normalize="NFC") as composing:
        assert (composing.encode(decomposed) == expected).all()


def test_many_threads_share_one_embedder(embedder: Embedder) -> None:
    expected = embedder.encode(TEXTS)
    results: list[Any] = [None] * 8

    def work(index: int) -> None:
        results[index] = [embedder.encode(TEXTS) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert all(result is not None for result in results)
    for result in results:
        for vectors in result:
            assert rowwise_cosine(vectors, expected).min() > 0.99999


def test_a_forked_child_gives_the_same_vectors(embedder: Embedder) -> None:
    expected = embedder.encode(TEXTS)  # starts the engine's threads, which no fork carries over
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def work() -> None:
        sender.send(embedder.encode(TEXTS))
        embedder.close()

    child = context.Process(target=work)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of fork
        child.start()
    try:
        sender.close()  # so that a child that dies ends the wait
        assert receiver.poll(60), "the child did not answer"
        assert rowwise_cosine(receiver.recv(), expected).min() > 0.99999
        child.join(timeout=60)
        assert child.exitcode == 0
    finally:
        child.kill()
    assert rowwise_cosine(embedder.encode(TEXTS), expected).min() > 0.99999


def test_a_spawned_child_gives_the_same_vectors(embedder: Embedder) -> None:
    expected = embedder.encode(TEXTS)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        vectors = pool.submit(embedder.encode, TEXTS).result(timeout=60)
    assert rowwise_cosine(vectors, expected).min() > 0.99999


def test_a_pickled_embedder_keeps_its_options(tiny_bundle: Path) -> None:
    embedder = Embedder(tiny_bundle, variant="gguf-f16", threads=1, normalize="NFC", truncate_dim=5)
    with embedder, pickle.loads(pickle.dumps(embedder)) as copy:
        assert repr(copy) == repr(embedder)
        assert copy.dimension == 5
        assert copy.encode("\u1112\u1161\u11ab").tolist() == embedder.encode("한").tolist()


def test_use_after_close_is_an_error(embedder: Embedder) -> None:
    embedder.close()
    embedder.close()
    with pytest.raises(ClosedError):
        embedder.encode("a")


def test_two_embedders_do_not_share_anything(tiny_bundle: Path) -> None:
    first = Embedder(tiny_bundle, variant="gguf-f16")
    second = Embedder(tiny_bundle, variant="gguf-f16")
    first.close()
    assert second.encode("a").shape == (32,)
    second.close()


def test_a_nan_from_the_engine_names_the_text(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Embedder(tiny_bundle, variant="onnx-fp32") as embedder:
        real = embedder._runner.backend.outputs

        def broken(sequences: Any, *, alone: bool = False) -> Any:
            states = real(sequences)
            return [s * np.nan if len(s) == 4 else s for s in states]

        monkeypatch.setattr(embedder._runner.backend, "outputs", broken)
        with pytest.raises(NumericalError, match="text 2"):
            embedder.encode(["a", "ab", "한국 a"])
        assert isinstance(NumericalError("x"), OndolError)


def test_similarity(embedder: Embedder) -> None:
    a = embedder.encode(TEXTS[:2])
    scores = embedder.similarity(a, embedder.encode(TEXTS))
    assert (scores.shape, scores.dtype) == ((2, 7), np.float32)
    np.testing.assert_allclose(scores[[0, 1], [0, 1]], 1, atol=1e-5)
    assert embedder.similarity([3, 4], [[4, 3], [0, 0]]).tolist() == [[pytest.approx(0.96), 0.0]]
