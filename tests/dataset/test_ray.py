"""Runs on a Ray cluster of two nodes with a CPU each, on this machine."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ondol.dataset import RayExecutor, embed_dataset
from ondol.errors import InputError

ray = pytest.importorskip("ray", reason="needs Ray, which the extra dev brings")

#: Generous: against tests that never end, on machines that are busy otherwise.
DEADLINE_SECONDS = 240.0

PARTS = 4
ROWS = 5

#: Makes a function that every worker calls when it starts. From then on a worker stops in the
#: middle of each partition, tells so by a file in `gate`, and goes on when that holds "open", or
#: "open" and the partition's name. Source text, so that workers need no module of tests.
HOOK = """
def make_hook(gate):
    def hook():
        import os, pathlib, time
        import ray
        import ondol.dataset.embedding as embedding

        read_rows = embedding.read_rows
        folder = pathlib.Path(gate)

        def stopping(partition, **options):
            for number, row in enumerate(read_rows(partition, **options)):
                if number == 3:
                    node = ray.get_runtime_context().get_node_id()
                    (folder / f"{partition.name} {node} {os.getpid()}").touch()
                    keys = folder / "open", folder / f"open {partition.name}"
                    while not any(key.exists() for key in keys):
                        time.sleep(0.02)
                yield row

        embedding.read_rows = stopping
        embedding._WINDOW = 2

    return hook
"""

#: A driver of its own: cluster, gate, input, output.
DRIVER = (
    HOOK
    + """
import sys
import ray
from ondol.dataset import RayExecutor, embed_dataset

address, gate, source, out = sys.argv[1:]
hook = {"worker_process_setup_hook": make_hook(gate)}
ray.init(address=address, runtime_env=hook, log_to_driver=False)
embed_dataset(source, out, id_column="id", executor=RayExecutor())
"""
)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        yield cluster
        cluster.shutdown()


@pytest.fixture
def cluster(nodes: Any) -> Any:
    """With its two nodes, also after a test that took one away."""
    if not nodes.worker_nodes:
        nodes.add_node(num_cpus=1)
        nodes.wait_for_nodes()
    return nodes


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Where workers say that they are in the middle of a partition."""
    folder = tmp_path / "gate"
    folder.mkdir()
    return folder


@contextmanager
def connected(cluster: Any, gate: Path) -> Iterator[None]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(HOOK, namespace)
    hook = {"worker_process_setup_hook": namespace["make_hook"](str(gate))}
    ray.init(address=cluster.address, runtime_env=hook, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


@pytest.fixture
def data_set(tmp_path: Path, parquet: Any) -> Path:
    for part in range(PARTS):
        parquet(
            tmp_path / "in" / f"{part}.parquet",
            id=[part * ROWS + n for n in range(ROWS)],
            text=[f"{part} 번째 파일, row {n}" for n in range(ROWS)],
        )
    return tmp_path / "in"


def stopped(gate: Path, count: int) -> list[tuple[str, str, int]]:
    """Partition, node and process of those in the middle, once there are `count`."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(found := [path.name for path in gate.iterdir() if path.name[:4] != "open"]) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [(part, node, int(pid)) for part, node, pid in (name.split() for name in found)]


def wait_until_dead(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while state_of(pid) not in ("gone", "Z"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def state_of(pid: int) -> str:
    """As proc(5) has it; Z is one that is dead, and nobody has asked yet how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def check(out: Path, vectors_of: Any, read_output: Any) -> None:
    """Every row is there once, with Embedder's vector bit for bit, and nothing half-written."""
    found = read_output(out)
    assert sorted(found) == list(range(PARTS * ROWS))
    texts = [f"{part} 번째 파일, row {n}" for part in range(PARTS) for n in range(ROWS)]
    assert np.array_equal(np.stack([found[n] for n in sorted(found)]), vectors_of(texts))
    assert not [path for path in out.rglob("*") if ".partial-" in path.name]


def embed_while(source: Path, out: Path, gate: Path, meanwhile: Callable[[], Any]) -> Any:
    """Embed; `meanwhile` runs beside it, and then all may go on."""

    def disturb() -> Any:
        try:
            return meanwhile()
        finally:
            (gate / "open").touch()

    with ThreadPoolExecutor(1) as pool:
        disturbed = pool.submit(disturb)
        report = embed_dataset(source, out, id_column="id", executor=RayExecutor())
        result = disturbed.result()
    assert (report.partitions, report.rows) == (PARTS, PARTS * ROWS)
    return result


def test_both_nodes_work(
    cluster: Any, gate: Path, data_set: Path, tmp_path: Path, vectors_of: Any, read_output: Any
) -> None:
    with connected(cluster, gate):
        workers = embed_while(data_set, tmp_path / "out", gate, lambda: stopped(gate, 2))
    assert len({node for _, node, _ in workers}) == 2
    check(tmp_path / "out", vectors_of, read_output)
    records = "".join(path.read_text() for path in (tmp_path / "out" / "_partitions").iterdir())
    assert all(node in records for _, node, _ in workers)


def test_a_worker_is_killed_at_work(
    cluster: Any, gate: Path, data_set: Path, tmp_path: Path, vectors_of: Any, read_output: Any
) -> None:
    def kill() -> tuple[str, int]:
        partition, _, pid = stopped(gate, 2)[0]
        os.kill(pid, signal.SIGKILL)
        return partition, pid

    with connected(cluster, gate):
        partition, pid = embed_while(data_set, tmp_path / "out", gate, kill)
    again = {other for name, _, other in stopped(gate, PARTS + 1) if name == partition}
    assert len(again) == 2
    assert pid in again
    check(tmp_path / "out", vectors_of, read_output)


def test_a_node_is_killed(
    cluster: Any, gate: Path, data_set: Path, tmp_path: Path, vectors_of: Any, read_output: Any
) -> None:
    (victim,) = cluster.worker_nodes

    def kill() -> str:
        working = {node: (name, pid) for name, node, pid in stopped(gate, 2)}
        partition, pid = working[victim.node_id]
        cluster.remove_node(victim, allow_graceful=False)
        # A worker notices a little later that its node is gone, and could finish before.
        wait_until_dead(pid)
        return partition

    with connected(cluster, gate):
        partition = embed_while(data_set, tmp_path / "out", gate, kill)
    again = {node for name, node, _ in stopped(gate, PARTS + 1) if name == partition}
    assert len(again) == 2
    check(tmp_path / "out", vectors_of, read_output)


def test_the_driver_is_killed_and_the_run_resumed(
    cluster: Any, gate: Path, data_set: Path, tmp_path: Path, vectors_of: Any, read_output: Any
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", DRIVER, cluster.address, str(gate), str(data_set), str(out)]
    (gate / "open part-00000").touch()
    with subprocess.Popen(command) as driver:
        # Two workers: the one that took a third partition has written its first.
        stopped(gate, 3)
        driver.kill()
    assert driver.returncode == -signal.SIGKILL
    assert [path for path in out.iterdir() if ".partial-" in path.name]
    executor = RayExecutor(address=cluster.address)
    report = embed_dataset(data_set, out, id_column="id", executor=executor)
    assert (report.kept, report.rows) == (1, (PARTS - 1) * ROWS)
    check(out, vectors_of, read_output)
    assert not ray.is_initialized()


def test_errors_of_workers_are_those_of_a_single_machine(
    cluster: Any, tmp_path: Path, parquet: Any
) -> None:
    parquet(tmp_path / "in" / "a.parquet", text=["x", None, None])
    executor = RayExecutor(address=cluster.address)
    with pytest.raises(InputError, match=r"a\.parquet: 2 rows failed, and 1 more may"):
        embed_dataset(tmp_path / "in", tmp_path / "out", max_errors=1, executor=executor)
    assert not ray.is_initialized()


def test_without_an_address_a_cluster_is_started_and_the_process_is_as_before(
    tmp_path: Path, parquet: Any, vectors_of: Any, read_output: Any
) -> None:
    def state() -> list[Any]:
        signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        loggers = [logging.getLogger(name) for name in ("", "ray", "ray.data")]
        levels = [(logger.level, tuple(logger.handlers)) for logger in loggers]
        return [dict(os.environ), signals, levels, Path.cwd()]

    parquet(tmp_path / "a.parquet", text=["섬"])
    before = state()
    embed_dataset(tmp_path / "a.parquet", tmp_path / "out", executor=RayExecutor())
    assert state() == before
    assert not ray.is_initialized()
    (vector,) = read_output(tmp_path / "out").values()
    assert np.array_equal(vector, vectors_of(["섬"])[0])
