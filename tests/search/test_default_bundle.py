"""From files to hits with the model inside the package."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ondol import Embedder, Reranker
from ondol.search import Index, update

WriteFiles = Callable[[Mapping[str, str | bytes]], Path]


def test_a_question_finds_a_passage_that_shares_no_word_with_it(
    write_files: WriteFiles, tmp_path: Path
) -> None:
    folder = write_files(
        {
            "travel.md": "# Jeju\n\n제주도는 바다에 둘러싸인 화산섬이다.",
            "market.txt": "The stock market fell three percent on Monday.",
            "cooking.txt": "김치찌개는 돼지고기와 두부를 넣고 끓인다.",
        }
    )
    with Embedder() as model:
        update(tmp_path / "i.sqlite3", folder, model)
        with Index.open(tmp_path / "i.sqlite3", model) as index:
            food = index.search("recipe for kimchi stew")[0]
            shares = index.search("주식 시세가 떨어졌다")[0]
    assert (food.file, food.vector_rank, food.word_rank) == ("cooking.txt", 1, None)
    assert (shares.file, shares.vector_rank, shares.word_rank) == ("market.txt", 1, None)


def test_a_reranker_bundle_orders_the_hits(
    write_files: WriteFiles, tmp_path: Path, tiny_reranker: Path
) -> None:
    texts = {"a.txt": "ab 한국 b", "b.txt": "한국 어", "c.txt": "a 한국"}
    folder = write_files(texts)
    with (
        Embedder(check="off") as model,
        Reranker(tiny_reranker / "bundle", variant="onnx-fp32") as reranker,
    ):
        update(tmp_path / "i.sqlite3", folder, model)
        with Index.open(tmp_path / "i.sqlite3", model) as index:
            found = [hit.file for hit in index.search("한국", reranker=reranker)]
        ranked = reranker.rank("한국", list(texts.values()))
    assert found == [list(texts)[result["corpus_id"]] for result in ranked]


@pytest.mark.filterwarnings("ignore::ondol.TruncationWarning")
@pytest.mark.parametrize("words", [3, 2000])
def test_token_spans_cover_the_words_of_a_text_of_any_length(words: int) -> None:
    text = "제주도는 화산섬이다. " * words
    with Embedder(check="off") as model:
        spans = model.token_spans(text)
        counts = model.embed([text]).token_counts
    covered = {index for start, end in spans for index in range(start, end)}
    assert all(text[index].isspace() for index in set(range(len(text))) - covered)
    assert counts[0] == min(len(spans) + 2, model.max_tokens)


def test_identity_is_the_same_for_every_variant_and_not_for_a_shorter_vector() -> None:
    with (
        Embedder(check="off", variant="onnx-int8") as whole,
        Embedder(check="off", truncate_dim=64) as short,
    ):
        assert whole.identity["tokenizer"] == whole.manifest.tokenizer.sha256
        assert whole.identity["dimension"] == "384"
        assert dict(short.identity) == dict(whole.identity) | {"dimension": "64"}
