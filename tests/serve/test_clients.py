"""The real clients, unchanged, against `ondol serve` with the bundle in the package."""

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from ollama import Client as Ollama
from ollama import ResponseError
from openai import BadRequestError, NotFoundError, OpenAI

from ondol import Embedder
from ondol.runtime.default import default_bundle
from ondol.runtime.tokenize import TextTokenizer

TEXTS = ["국내 여행지 추천", "The stock market fell.", "제주도는 섬이다. " * 5]

#: A text's vector is the same bits with any neighbours, in any number of threads.
EXACT = 0.0


@pytest.fixture(scope="module")
def model() -> Embedder:
    return Embedder(check="off")


def assert_vectors(found: object, expected: object) -> None:
    np.testing.assert_allclose(np.asarray(found, dtype=np.float32), expected, rtol=0, atol=EXACT)


@pytest.fixture
def openai(server_url: str) -> OpenAI:
    return OpenAI(base_url=f"{server_url}/v1", api_key="any", max_retries=0)


@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}])
def test_openai(openai: OpenAI, model: Embedder, encoding: dict[str, str]) -> None:
    answer = openai.embeddings.create(model="text-embedding-3-small", input=TEXTS, **encoding)
    assert_vectors([one.embedding for one in answer.data], model.encode(TEXTS))
    tokens = int(model.embed(TEXTS).token_counts.sum())
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (tokens, tokens)


def test_openai_with_prompts_and_fewer_dimensions(openai: OpenAI, model: Embedder) -> None:
    named = openai.embeddings.create(model="ondol:query", input=TEXTS[0])
    assert_vectors(named.data[0].embedding, model.encode_query(TEXTS[0]))
    field = openai.embeddings.create(
        model="ondol", input=TEXTS[0], dimensions=64, extra_body={"prompt_name": "passage"}
    )
    assert_vectors(field.data[0].embedding, model.encode_document(TEXTS[0], truncate_dim=64))


def test_openai_with_token_ids_of_the_models_own_tokenizer(openai: OpenAI, model: Embedder) -> None:
    tokenizer = TextTokenizer(default_bundle() / "tokenizer.json", max_tokens=512)
    with_ends = [list(ids) for ids in tokenizer(TEXTS).ids]
    without_ends = [ids[1:-1] for ids in with_ends]
    expected = model.encode(TEXTS)
    for given in (with_ends, without_ends):
        answer = openai.embeddings.create(model="ondol", input=given)
        assert_vectors([one.embedding for one in answer.data], expected)
    one = openai.embeddings.create(model="ondol", input=without_ends[0])
    assert_vectors([one.data[0].embedding], expected[:1])


def test_openai_reads_the_errors(openai: OpenAI) -> None:
    with pytest.raises(BadRequestError, match=r"no token 100257: .*check_embedding_ctx_length"):
        openai.embeddings.create(model="ondol", input=[[100257]])
    with pytest.raises(NotFoundError, match="after the colon") as caught:
        openai.embeddings.create(model="ondol:other", input="a")
    assert caught.value.code == "model_not_found"


def test_openai_lists_models(openai: OpenAI) -> None:
    names = [one.id for one in openai.models.list()]
    assert names == ["ondol", "ondol:query", "ondol:passage", "ondol:none"]
    assert openai.models.retrieve("ondol:query").owned_by == "ondol"


def test_ollama(server_url: str, model: Embedder) -> None:
    client = Ollama(host=server_url)
    answer = client.embed(model="ondol:passage", input=TEXTS, keep_alive="5m")
    assert_vectors(answer.embeddings, model.encode_document(TEXTS))
    assert answer.prompt_eval_count == model.embed(TEXTS, prompt_name="passage").token_counts.sum()
    short = client.embed(model="ondol", input=TEXTS[0], dimensions=32)
    assert_vectors(short.embeddings, model.encode(TEXTS[:1], truncate_dim=32))
    assert_vectors(
        client.embeddings("ondol:query", TEXTS[0])["embedding"], model.encode_query(TEXTS[0])
    )
    assert [one.model for one in client.list().models][:2] == ["ondol:latest", "ondol:query"]
    with pytest.raises(ResponseError, match="after the colon"):
        client.embed(model="ondol:other", input="a")


@pytest.mark.parametrize("path", ["", "/embed"])
def test_huggingface_hub(server_url: str, model: Embedder, path: str) -> None:
    client = InferenceClient(model=server_url + path)
    assert_vectors(client.feature_extraction(TEXTS[0])[0], model.encode(TEXTS[0]))
    with_prompt = client.feature_extraction(TEXTS[1], prompt_name="query", normalize=True)
    assert_vectors(with_prompt[0], model.encode_query(TEXTS[1]))
