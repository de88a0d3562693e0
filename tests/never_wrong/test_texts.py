"""Any text has one vector: the same in every call, or an error that names it."""

import unicodedata
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ondol.errors import InputError
from ondol.manifest import Manifest
from ondol.runtime.default import default_bundle
from ondol.runtime.embedder import Embedder
from ondol.runtime.reports import TruncationWarning
from ondol.runtime.similarity import rowwise_cosine
from ondol.variants import Variant

VARIANTS = ["onnx-int8", "gguf-q5_0"]

#: Two threads, so that lone long texts and batches take different ways through the engine.
THREADS = 2

EDGES = {
    "empty": "",
    "one character": "가",
    "blanks": " \t\n\u3000\u00a0",
    "composed": "한국어 텍스트 é",
    "decomposed": unicodedata.normalize("NFD", "한국어 텍스트 é"),
    "fullwidth": "ＦＵＬＬ　ｗｉｄｔｈ　１２３",
    "jamo": "ㅋㅋㅋ ㅠㅠ \u1100\u1161\u11a8",
    "joined emoji": "👩‍👩‍👧‍👦 👍🏽 🇰🇷",
    "right to left": "שלום עולם مرحبا \u202eabc\u202c",
    "control characters": "a\x00b\x07c\x1b[31m\x7f\u0085d",
    "no characters": "\ufffe\uffff\U0010ffff",
    "private use": "\ue000\U000f0000",
    "marks alone": "\u0301\u0302\u0303",
    "special tokens": "<s> </s> <pad> <unk> <mask>",
}

#: Any code point but the surrogates, which UTF-8 does not have.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.fixture(scope="module", params=VARIANTS)
def model(request: pytest.FixtureRequest) -> Iterator[Embedder]:
    with Embedder(variant=request.param, threads=THREADS, check="off") as model:
        yield model


def assert_usable(vectors: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_every_edge_of_unicode_has_a_vector_of_its_own_in_any_company(model: Embedder) -> None:
    texts = list(EDGES.values())
    together = model.encode(texts)
    assert_usable(together)
    for name, text, vector in zip(EDGES, texts, together, strict=True):
        assert model.encode(text).tobytes() == vector.tobytes(), name


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=5),
    order=st.randoms(use_true_random=False),
    prompt=st.sampled_from(["", "query: ", "passage: "]),
)
def test_order_company_repetition_and_prompt(
    model: Embedder, texts: list[str], order: object, prompt: str
) -> None:
    """A prompt is text before the text, and nothing else makes a difference."""
    alone = [model.encode(prompt + text).tobytes() for text in texts]
    places = list(range(len(texts)))
    order.shuffle(places)  # type: ignore[attr-defined]
    found = model.encode([texts[place] for place in places], prompt=prompt)
    assert [vector.tobytes() for vector in found] == [alone[place] for place in places]
    assert_usable(found)


@pytest.mark.parametrize("where", ["", "a", "한국 " * 9])
@pytest.mark.parametrize("surrogate", [0xD800, 0xDFFF])
def test_a_lone_surrogate_is_named_wherever_it_stands(
    model: Embedder, where: str, surrogate: int
) -> None:
    with pytest.raises(InputError, match=rf"text 1 holds a lone surrogate.*character {len(where)}"):
        model.encode(["fine", f"{where}{chr(surrogate)} b"])


@pytest.mark.parametrize("tokens", [511, 512, 513])
def test_the_end_of_what_fits(model: Embedder, tokens: int) -> None:
    """512 tokens fit; of 513 the last before `</s>` is left out, and that is reported."""
    word = "국"
    words = tokens - 2  # <s> and </s>
    assert model.embed([word]).token_counts.tolist() == [3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        result = model.embed([" ".join([word] * words)])
        fits = model.encode(" ".join([word] * min(words, 510)))
    assert result.token_counts.tolist() == [min(tokens, 512)]
    assert result.truncated == ((0,) if tokens > 512 else ())
    assert result.vectors[0].tobytes() == fits.tobytes()


def test_all_variants_keep_to_their_floors_on_texts_that_no_build_has_seen() -> None:
    """int8 and q5_0 differ by no more than the angles of their floors together."""
    manifest = Manifest.read(default_bundle())
    vectors = []
    for variant in VARIANTS:
        with Embedder(variant=variant, threads=THREADS, check="off") as model:
            vectors.append(model.encode(list(EDGES.values())))
    floors = [manifest.variant(Variant.parse(v)).vector_parity.floor for v in VARIANTS]
    least = np.cos(np.arccos(floors).sum())
    cosines = rowwise_cosine(*vectors)
    assert cosines.min() >= least, list(EDGES)[int(cosines.argmin())]
