"""The rows that are embedded, and the cost of a tree of processes."""

import gzip
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest
from dataset_scale import FILES, DifferentVectorsError, Way, check_same, ways, write_rows
from process_tree import descendants, run_tree

#: Takes memory and processor time in a grandchild.
_CHILD = """
import subprocess, sys
code = "import time; x = bytes(range(256)) * 400_000\\n" \\
    "while time.process_time() < 0.3: pass\\n" \\
    "time.sleep(1.5)  # for the next look, a quarter of a second later"
subprocess.run([sys.executable, "-c", code], check=True)
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for language in ("ko", "en"):
        lines = "".join(f"{language} {n} {'long enough ' * 4}\nshort\n" for n in range(30))
        (tmp_path / f"{language}.txt.gz").write_bytes(gzip.compress(lines.encode()))
    return tmp_path


def test_rows_are_distinct_also_when_the_corpus_ends(corpus: Path, tmp_path: Path) -> None:
    write_rows(corpus, tmp_path / "rows", 150)
    table = pyarrow.dataset.dataset(tmp_path / "rows").to_table()
    assert len(list((tmp_path / "rows").iterdir())) == FILES
    assert sorted(table["id"].to_pylist()) == list(range(150))
    assert len(set(table["text"].to_pylist())) == 150


def test_a_lone_core_has_nothing_to_compare() -> None:
    assert list(ways(1)) == [Way("local", 1, 1), Way("ray", 1, 1)]
    assert len(set(ways(2))) == 5


def test_other_vectors_are_an_error() -> None:
    run: dict[str, Any] = {"rows": 1, "engine": "local", "workers": 1, "threads": 1}
    check_same([{**run, "sha256": ["a"]}, {**run, "rows": 2, "sha256": ["b"]}])
    with pytest.raises(DifferentVectorsError):
        check_same([{**run, "sha256": ["a"]}, {**run, "engine": "ray", "sha256": ["b"]}])


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux's /proc")
def test_a_tree_of_processes_counts_as_a_whole() -> None:
    cost = run_tree([sys.executable, "-c", _CHILD])
    assert cost.seconds > 0
    assert cost.processor_seconds > 0.05
    assert cost.peak_bytes > 100_000_000
    assert descendants(os.getpid())[0] == os.getpid()
    with pytest.raises(OSError, match="exited with 3: enough"):
        run_tree(
            [sys.executable, "-c", "import sys; print('enough', file=sys.stderr); sys.exit(3)"]
        )
