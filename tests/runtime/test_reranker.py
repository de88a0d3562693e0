"""Reranker over a real, tiny bundle, against sentence-transformers' CrossEncoder."""

import json
import multiprocessing
import pickle
import shutil
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import CrossEncoder

from ondol.engine import Engine
from ondol.errors import (
    BundleError,
    ChecksumError,
    ClosedError,
    InputError,
    NumericalError,
    SelfTestError,
)
from ondol.files import sha256_of
from ondol.runtime.embedder import Embedder
from ondol.runtime.reports import TruncationWarning
from ondol.runtime.reranker import Reranker
from ondol.variants import Variant

VARIANTS = ["onnx-fp32", "onnx-int8", "onnx-int4", "gguf-f32", "gguf-q8_0"]
RUNS = [(v, Engine.of(Variant.parse(v)).value) for v in VARIANTS]
RUNS += [(v, "openvino") for v in VARIANTS[:3]]

#: At most 24 tokens fit: the fifth loses tokens of its document, the sixth of both.
PAIRS = [
    ("한국 a", "ab 한국 b"),
    ("a", ""),
    ("", ""),
    ("b", "한국 어"),
    ("ab", "한국 " * 40),
    ("한국 a b " * 12, "ab " * 20),
    ("한국 a", "ж жж"),
]


@pytest.fixture(params=RUNS, ids=" in ".join)
def reranker(request: pytest.FixtureRequest, tiny_reranker: Path) -> Iterator[Reranker]:
    variant, engine = request.param
    with Reranker(tiny_reranker / "bundle", variant=variant, engine=engine, threads=2) as reranker:
        yield reranker


@pytest.fixture
def exact(tiny_reranker: Path) -> Iterator[Reranker]:
    with Reranker(tiny_reranker / "bundle", variant="onnx-fp32", threads=2) as reranker:
        yield reranker


@pytest.fixture(scope="module")
def cross_encoder(tiny_reranker: Path) -> CrossEncoder:
    return CrossEncoder(str(tiny_reranker / "checkpoint"), device="cpu")


#: llama.cpp computes GELU from a table of float16 values, and the random weights are large.
@pytest.mark.parametrize(("variant", "tolerance"), [("onnx-fp32", 2e-5), ("gguf-f32", 2e-3)])
@pytest.mark.filterwarnings("ignore::ondol.TruncationWarning")
def test_scores_are_those_of_a_cross_encoder(
    tiny_reranker: Path, cross_encoder: CrossEncoder, variant: str, tolerance: float
) -> None:
    expected = cross_encoder.predict(PAIRS)
    with Reranker(tiny_reranker / "bundle", variant=variant) as reranker:
        found = reranker.predict(PAIRS)
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    np.testing.assert_allclose(found, expected, atol=tolerance)
    assert expected.max() - expected.min() > 0.1, "equal scores would show nothing"


def test_rank_is_that_of_a_cross_encoder(exact: Reranker, cross_encoder: CrossEncoder) -> None:
    documents = ["ab 한국 b", "", "한국 어", "ж"]
    expected = cross_encoder.rank("한국 a", documents, return_documents=True)
    found = exact.rank("한국 a", documents, return_documents=True)
    assert [result["corpus_id"] for result in found] == [r["corpus_id"] for r in expected]
    assert [result["text"] for result in found] == [r["text"] for r in expected]
    np.testing.assert_allclose(
        [result["score"] for result in found], [r["score"] for r in expected], atol=2e-5
    )
    assert exact.rank("한국 a", documents, 2) == [
        {key: result[key] for key in ("corpus_id", "score")} for result in found[:2]
    ]
    assert exact.rank("한국 a", []) == []


def test_shapes(reranker: Reranker) -> None:
    one = reranker.predict(PAIRS[0])
    assert isinstance(one, np.float32)
    many = reranker.predict(PAIRS[:4])
    assert (many.shape, many.dtype) == ((4,), np.float32)
    assert many[0] == one
    assert reranker.predict([]).shape == (0,)
    assert reranker.predict([["a", "b"]]).shape == (1,)
    assert ((many > 0) & (many < 1)).all()


def test_a_score_does_not_depend_on_the_company(reranker: Reranker) -> None:
    alone = np.array([reranker.predict(pair) for pair in PAIRS[:4]])
    pairs = [*PAIRS[:4], *PAIRS[3::-1]] * 3
    together = reranker.predict(pairs)
    assert together.tobytes() == np.tile(np.concatenate([alone, alone[::-1]]), 3).tobytes()
    assert reranker.predict(pairs, batch_size=1).tobytes() == together.tobytes()


def test_activation(exact: Reranker) -> None:
    logits = exact.predict(PAIRS[:4], activation_fn=lambda logits: logits)
    np.testing.assert_allclose(exact.predict(PAIRS[:4]), 1 / (1 + np.exp(-logits)), atol=1e-6)
    with pytest.raises(InputError, match="activation_fn made \\(2,\\)"):
        exact.predict(PAIRS[:4], activation_fn=lambda logits: logits[:2])


def test_large_logits_do_not_overflow(exact: Reranker) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = exact._activate(np.array([-500, 0, 500], np.float32), None)
    assert scores.tolist() == [0.0, 0.5, 1.0]


def test_cut_pairs_are_reported(exact: Reranker) -> None:
    with pytest.warns(TruncationWarning, match="2 of 7 pairs.*Reranker.score"):
        result = exact.score(PAIRS)
    assert result.truncated == (4, 5)
    assert result.token_counts.tolist()[4:6] == [24, 24]


@pytest.mark.filterwarnings("ignore::ondol.TruncationWarning")
def test_max_length_is_that_of_a_cross_encoder(tiny_reranker: Path) -> None:
    reference = CrossEncoder(str(tiny_reranker / "checkpoint"), device="cpu", max_length=10)
    with Reranker(tiny_reranker / "bundle", variant="onnx-fp32", max_length=10) as reranker:
        result = reranker.score(PAIRS)
        assert pickle.loads(pickle.dumps(reranker)).max_tokens == reranker.max_tokens == 10
    assert result.token_counts.max() == 10
    assert result.truncated == (4, 5)
    np.testing.assert_allclose(result.scores, reference.predict(PAIRS), atol=2e-5)
    with Reranker(tiny_reranker / "bundle", variant="onnx-fp32", max_length=99) as reranker:
        assert reranker.max_tokens == 24
    with pytest.raises(InputError, match="max_length is 5"):
        Reranker(tiny_reranker / "bundle", max_length=5)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("한국", "pairs is a str"),
        ([("a", "b"), ("a",)], "pair 1 is"),
        ([("a", "b"), "ab"], "pair 1 is"),
        ([("a", None)], "document 0 is of type NoneType"),
        ([("a", "b"), ("\ud800", "b")], "query 1 holds a lone surrogate"),
    ],
)
def test_bad_pairs_are_refused(exact: Reranker, pairs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        exact.score(pairs)


def test_bad_arguments_of_rank_are_refused(exact: Reranker) -> None:
    with pytest.raises(InputError, match="documents is a str"):
        exact.rank("a", "b")
    with pytest.raises(InputError, match="top_k is 0"):
        exact.rank("a", ["b"], 0)
    with pytest.raises(InputError, match="batch_size is 0"):
        exact.rank("a", ["b"], batch_size=0)


def test_each_kind_of_bundle_is_refused_by_the_other_class(
    tiny_bundle: Path, tiny_reranker: Path
) -> None:
    with pytest.raises(BundleError, match=r"is an encoder bundle, which ondol\.Embedder loads"):
        Reranker(tiny_bundle)
    with pytest.raises(BundleError, match=r"is a reranker bundle, which ondol\.Reranker loads"):
        Embedder(tiny_reranker / "bundle")


def test_a_score_that_is_not_finite_is_an_error(
    exact: Reranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(sequences: Any, *, alone: bool = False) -> Any:
        return [np.array([np.nan], np.float32) for _ in sequences]

    monkeypatch.setattr(exact._runner.backend, "outputs", broken)
    with pytest.raises(NumericalError, match="for pair 0"):
        exact.predict(PAIRS[:1])


def test_a_load_notices_logits_other_than_the_stored_ones(
    tmp_path: Path, tiny_reranker: Path
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_reranker / "bundle", bundle)
    logits = np.load(bundle / "reference.npy")
    logits[1] += logits.std()
    np.save(bundle / "reference.npy", logits)
    with pytest.raises(ChecksumError):
        Reranker(bundle, variant="onnx-fp32")
    manifest = json.loads((bundle / "ondol.json").read_text())
    manifest["reference"]["vectors"]["sha256"] = sha256_of(bundle / "reference.npy")
    (bundle / "ondol.json").write_text(json.dumps(manifest))
    with pytest.raises(SelfTestError, match="first 4 reference pairs"):
        Reranker(bundle, variant="onnx-fp32")


def test_many_threads(reranker: Reranker) -> None:
    pairs = PAIRS[:4] * 4
    expected = reranker.predict(pairs).tobytes()
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(reranker.predict(pairs).tobytes()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


@pytest.mark.parametrize("variant", ["onnx-int8", "gguf-q8_0"])
def test_other_processes(tiny_reranker: Path, variant: str) -> None:
    with Reranker(tiny_reranker / "bundle", variant=variant, threads=1) as reranker:
        expected = reranker.predict(PAIRS[:2]).tolist()
        clone = pickle.loads(pickle.dumps(reranker))
        assert isinstance(clone, Reranker)
        assert clone.predict(PAIRS[:2]).tolist() == expected
        clone.close()
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            assert pool.submit(_scores, reranker).result() == expected


def _scores(reranker: Reranker) -> list[float]:
    return list(reranker.predict(PAIRS[:2]).tolist())


def test_after_close(exact: Reranker) -> None:
    exact.close()
    exact.close()
    with pytest.raises(ClosedError, match="the Reranker was closed"):
        exact.predict(PAIRS[0])
    assert "Reranker(" in repr(exact)
