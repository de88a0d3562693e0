"""The fake that users test their own programs with has the real one's surface."""

import inspect

import numpy as np
import pytest

from ondol import ClosedError, Embedder, InputError, Reranker
from ondol.testing import FakeEmbedder, FakeReranker


def test_vectors_depend_on_the_text_alone_and_have_norm_1() -> None:
    model = FakeEmbedder()
    many = model.encode(["가", "b", "가"])
    assert many.shape == (3, 384)
    assert many.dtype == np.float32
    assert np.array_equal(many[0], many[2])
    assert np.array_equal(many[1], FakeEmbedder().encode("b"))
    assert np.allclose(np.linalg.norm(many, axis=1), 1, atol=1e-6)
    assert abs(model.similarity(many[0], many[1])[0, 0]) < 0.3


def test_prompts_change_the_vector_as_in_the_real_one() -> None:
    model = FakeEmbedder()
    assert np.array_equal(model.encode_query("b"), model.encode("query: b"))
    assert np.array_equal(model.encode_document(["b"]), model.encode(["passage: b"]))
    with pytest.raises(InputError, match="no prompt named 'title'"):
        model.encode("b", prompt_name="title")


def test_precision_and_truncate_dim_are_the_real_ones() -> None:
    model = FakeEmbedder(truncate_dim=16)
    whole = FakeEmbedder().encode(["가", "b"])
    assert model.dimension == 16
    short = model.encode(["가", "b"])
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(model.similarity(short, whole[:, :16]).diagonal(), 1, atol=1e-6)
    assert model.encode("b", truncate_dim=99).shape == (99,)
    bits = model.encode(["가", "b"], precision="ubinary")
    assert np.array_equal(bits, np.packbits(short > 0, axis=1))
    assert (
        model.encode("b", precision="int8").tolist()
        == model.encode(["가", "b"], precision="int8")[1].tolist()
    )
    with pytest.raises(InputError, match="truncate_dim is 0"):
        FakeEmbedder(truncate_dim=0)


def test_truncation_is_reported() -> None:
    result = FakeEmbedder(max_tokens=4).embed(["a b", "a b c"])
    assert result.truncated == (1,)
    assert result.token_counts.tolist() == [4, 4]
    assert np.array_equal(*result.vectors)


def test_token_spans_are_those_of_words() -> None:
    text = "한국 ab\n c"
    assert [text[a:b] for a, b in FakeEmbedder().token_spans(text)] == ["한국", "ab", "c"]


def test_a_closed_one_and_bad_input_are_errors() -> None:
    with FakeEmbedder() as model, pytest.raises(InputError, match="text 1 is of type int"):
        model.encode(["a", 3])  # type: ignore[list-item]
    with pytest.raises(ClosedError):
        model.encode("a")


def test_the_constructor_takes_truncate_dim_as_the_real_one() -> None:
    parameters = [inspect.signature(kind).parameters for kind in (FakeEmbedder, Embedder)]
    assert all(found["truncate_dim"].default is None for found in parameters)


@pytest.mark.parametrize(
    "name",
    [
        "encode",
        "encode_query",
        "encode_document",
        "embed",
        "dequantize",
        "similarity",
        "token_spans",
        "close",
    ],
)
def test_signatures_are_the_real_ones(name: str) -> None:
    fake, real = (inspect.signature(getattr(kind, name)) for kind in (FakeEmbedder, Embedder))
    assert list(fake.parameters) == list(real.parameters)


def test_a_fake_reranker_counts_words_in_common() -> None:
    with FakeReranker(max_tokens=9) as model:
        assert model.predict(("한국 여행", "여행 한국 a")) == 1
        assert model.predict([("a b", "b"), ("a", "")]).tolist() == [0.5, 0.0]
        assert model.rank("a b", ["c", "a b", "b"], 2, return_documents=True) == [
            {"corpus_id": 1, "score": 1.0, "text": "a b"},
            {"corpus_id": 2, "score": 0.5, "text": "b"},
        ]
        result = model.score([("a", "x y z w a"), ("a", "b")])
        assert (result.truncated, result.token_counts.tolist()) == ((0,), [9, 6])
        assert result.scores.tolist() == [0, 0], "what was cut must not count"
        with pytest.raises(InputError, match="pair 0"):
            model.score(["ab"])
    with pytest.raises(ClosedError):
        model.predict(("a", "b"))


@pytest.mark.parametrize("name", ["predict", "rank", "score", "close"])
def test_signatures_of_the_reranker_are_the_real_ones(name: str) -> None:
    fake, real = (inspect.signature(getattr(kind, name)) for kind in (FakeReranker, Reranker))
    assert list(fake.parameters) == list(real.parameters)
