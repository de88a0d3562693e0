"""The path to the published table, offline: a local task of mteb's own class."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quality.published import PUBLISHED, TASKS, Row, beside_published

from ondol import Embedder
from ondol.runtime.similarity import rowwise_cosine

mteb = pytest.importorskip(
    "mteb", reason="needs mteb, which the extra dev brings", exc_type=ImportError
)

from datasets import Dataset  # noqa: E402
from korean_retrieval import Outcome, korean_tasks, report, run_tasks  # noqa: E402
from mteb.abstasks import AbsTaskRetrieval  # noqa: E402
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData  # noqa: E402
from mteb.abstasks.task_metadata import TaskMetadata  # noqa: E402

from ondol.integrations.mteb import OndolEncoder  # noqa: E402

ROOT = Path(__file__).parents[2]

DOCUMENTS = {
    "섬": "제주도는 대한민국에서 가장 큰 섬이다.",
    "주식": "The stock market fell sharply on Monday.",
    "감기": "감기는 바이러스가 일으키는 호흡기 질환이다.",
    "축구": "축구는 열한 명이 한 팀을 이루는 경기이다.",
}
QUERIES = {"q1": "우리나라에서 제일 큰 섬", "q2": "감기의 원인", "q3": "shares lost value"}
RELEVANT = {"q1": {"섬": 1}, "q2": {"감기": 1}, "q3": {"주식": 1}}


class LocalRetrieval(AbsTaskRetrieval):
    """A few documents, of the class that the seven tasks have."""

    metadata = TaskMetadata(
        name="LocalRetrieval",
        description="Three questions and four documents.",
        reference="https://example.org",
        dataset={"path": "local", "revision": "1"},
        type="Retrieval",
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=["kor-Hang"],
        main_score="ndcg_at_10",
        date=("2024-01-01", "2024-01-02"),
        domains=[],
        task_subtypes=[],
        license="cc0-1.0",
        annotations_creators="derived",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        def rows(texts: dict[str, str]) -> Dataset:
            return Dataset.from_list([{"id": id_, "text": text} for id_, text in texts.items()])

        self.dataset = {
            "default": {
                "test": RetrievalSplitData(
                    corpus=rows(DOCUMENTS),
                    queries=rows(QUERIES),
                    relevant_docs=RELEVANT,
                    top_ranked=None,
                )
            }
        }
        self.data_loaded = True


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    with Embedder(variant="onnx-int8") as opened:
        yield opened


def test_the_published_means_are_those_of_their_tasks() -> None:
    """The means as the card prints them."""
    assert {row.name: round(row.mean or 0, 6) for row in PUBLISHED} == {
        "bge-m3": 0.724169,
        "snowflake-arctic-embed-l-v2.0": 0.724104,
        "multilingual-e5-large": 0.721607,
        "multilingual-e5-base": 0.689429,
        "multilingual-e5-small-ko": 0.688819,
        "KoEn-E5-Tiny": 0.687496,
        "multilingual-e5-small": 0.670906,
        "granite-278m": 0.616466,
        "granite-107m": 0.599759,
        "paraphrase-multilingual-MiniLM-L12-v2": 0.409766,
    }


def test_the_tasks_are_in_mtebs_registry_with_a_korean_part() -> None:
    tasks = {task.metadata.name: task for task in korean_tasks(TASKS)}
    assert list(tasks) == list(TASKS)
    for name, subset in TASKS.items():
        metadata = tasks[name].metadata
        assert tasks[name].hf_subsets == [subset or "default"]
        assert metadata.main_score == "ndcg_at_10"
        languages = metadata.eval_langs if subset is None else metadata.eval_langs[subset]
        assert {language.split("-")[0] for language in languages} == {"kor"}, name
        assert isinstance(tasks[name], AbsTaskRetrieval)


def test_a_local_task_end_to_end_and_again_from_its_results(
    embedder: Embedder, tmp_path: Path
) -> None:
    encoder = OndolEncoder(embedder=embedder)
    outcome = run_tasks(encoder, [LocalRetrieval()], tmp_path)
    assert not outcome.failed

    # The same from the vectors: the place of the one relevant document of each query.
    documents = embedder.encode_document(list(DOCUMENTS.values()))
    gains = []
    for id_, text in QUERIES.items():
        query = np.tile(embedder.encode_query(text), (len(documents), 1))
        ranking = np.argsort(-rowwise_cosine(query, documents))
        (relevant,) = RELEVANT[id_]
        place = ranking.tolist().index(list(DOCUMENTS).index(relevant))
        gains.append(1 / np.log2(place + 2))
    assert outcome.scores == {"LocalRetrieval": pytest.approx(np.mean(gains), abs=1e-5)}

    (written,) = tmp_path.rglob("LocalRetrieval.json")
    (stored,) = json.loads(written.read_text("utf-8"))["scores"]["test"]
    assert stored["main_score"] == outcome.scores["LocalRetrieval"]
    assert encoder.mteb_model_meta.revision in written.parts

    class NotAgain(OndolEncoder):
        def encode(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("a task whose results are there was run again")

    assert run_tasks(NotAgain(embedder=embedder), [LocalRetrieval()], tmp_path) == outcome


def test_a_task_that_fails_is_named_and_the_others_go_on(
    embedder: Embedder, tmp_path: Path
) -> None:
    class Unreachable(LocalRetrieval):
        metadata = LocalRetrieval.metadata.model_copy(update={"name": "Unreachable"})

        def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
            raise ConnectionError("no route to the data set")

    outcome = run_tasks(
        OndolEncoder(embedder=embedder), [Unreachable(), LocalRetrieval()], tmp_path
    )
    assert outcome.failed == {"Unreachable": "no route to the data set"}
    assert list(outcome.scores) == ["LocalRetrieval"]


def test_a_part_of_the_tasks_has_no_mean() -> None:
    outcome = Outcome({"PublicHealthQA": 0.9, "Ko-StrategyQA": 0.8}, {"MrTidyRetrieval": "offline"})
    text = report("ondol/e5", outcome)
    row = next(line for line in text.splitlines() if "ondol/e5" in line)
    assert row == "| **ondol/e5** |  |  | 0.90000 |  | 0.80000 |  |  |  |"
    assert "2 of 7 tasks were run, so there is no mean to compare" in text
    assert "missing: XPQARetrieval, MIRACLRetrieval, BelebeleRetrieval" in text
    assert "MrTidyRetrieval did not run: offline" in text


def test_all_tasks_have_a_place_in_the_table() -> None:
    ours = Row("ondol/e5", dict.fromkeys(TASKS, 0.7))
    names = [line.split(" | ")[0].strip("| ") for line in beside_published(ours).splitlines()[2:]]
    assert names[2:5] == ["multilingual-e5-large", "**ondol/e5**", "multilingual-e5-base"]


def test_the_command_without_a_network(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "korean_retrieval.py")]
    bundle = ROOT / "src" / "ondol" / "default_bundle"
    command += [str(bundle), "--out", str(tmp_path), "--tasks", "PublicHealthQA"]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    result = subprocess.run(
        command,
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 1
    assert "prompts: {'query': 'query: ', 'passage': 'passage: '}" in result.stderr
    assert "PublicHealthQA did not run: " in result.stdout
    assert "0 of 7 tasks were run" in result.stdout
    assert "Traceback" not in result.stderr
