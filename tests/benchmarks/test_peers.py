"""Peers run in environments of their own, without ondol there, and say why where they fail."""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import make_peers
import numpy as np
import pytest
from numpy.typing import NDArray
from peers import ondol_variants, registry
from peers.batches import BATCH, in_batches, mean_pooled
from peers.contender import Contender
from peers.places import BENCHMARKS, REQUIREMENTS, environment_names
from peers.process import PeerError, PeerProcess

from ondol import Embedder
from ondol.manifest import Manifest

#: A peer that stands for all: it embeds a text as (its characters, threads), and misbehaves on
#: demand.
FAKE = """
import os, sys
import numpy as np

def prepare(checkpoint, out, texts):
    print("preparing")
    if texts == ["bad"]:
        raise ValueError("no such operator")
    (out / "model.bin").write_text((checkpoint / "weights").read_text() * len(texts))

def load(source, threads, mood="good"):
    print("a line that is no reply")
    os.write(1, b"and one from C\\n")
    if mood == "broken":
        raise RuntimeError(f"unknown\\n  architecture in {source}/weights")
    def encode(texts):
        if mood == "dies":
            sys.stderr.write("out of registers\\n")
            sys.stderr.flush()
            os._exit(7)
        return np.array([[len(text), threads] for text in texts])
    return encode
"""


@pytest.fixture
def fake_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the module `fake_peer`, where this process's children find it."""
    (tmp_path / "fake_peer.py").write_text(FAKE, encoding="utf-8")
    (tmp_path / "weights").write_text("w", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def fake(place: Path, mood: str = "good") -> Contender:
    return Contender(mood, "fake_peer", None, place, ("weights",), ("numpy",), {"mood": mood})


def test_a_peer_needs_neither_ondol_nor_its_library_to_be_described() -> None:
    code = """
import importlib, pkgutil, sys
sys.modules["ondol"] = None
import peers
for module in pkgutil.iter_modules(peers.__path__):
    if module.name not in ("process", "in_process"):
        importlib.import_module(f"peers.{module.name}")
print(sorted({"torch", "transformers", "onnxruntime", "ctranslate2"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False)
    assert result.stdout == "[]\n", result.stderr


def test_every_contender_has_an_environment_of_pinned_packages() -> None:
    contenders = registry.peer_contenders(Path("peers"))
    assert len({contender.name for contender in contenders}) == len(contenders)
    assert {contender.environment for contender in contenders} == set(environment_names())
    for path in REQUIREMENTS.glob("*.txt"):
        for line in path.read_text("utf-8").splitlines():
            assert line.startswith("#") or "==" in line, f"{path.name}: {line} is not pinned"


def test_versions_that_a_contender_states_are_pinned_in_its_environment() -> None:
    for contender in registry.peer_contenders(Path("peers")):
        text = (REQUIREMENTS / f"{contender.environment}.txt").read_text("utf-8")
        pinned = {line.split("==")[0].split("[")[0] for line in text.splitlines()}
        assert set(contender.packages) <= pinned, contender.name


@pytest.mark.parametrize("parallel", [False, True])
def test_batches_are_of_like_length_and_come_back_in_order(parallel: bool) -> None:
    texts = ["x" * (37 * i % 101) for i in range(101)]  # every length from 0 to 100 once
    spans: list[int] = []

    def encode_batch(batch: list[str]) -> NDArray[np.float32]:
        assert len(batch) <= BATCH
        spans.append(len(batch[0]) - len(batch[-1]))
        return np.array([[len(text)] for text in batch], dtype=np.float32)

    with ThreadPoolExecutor(2) as pool:
        run = pool.map if parallel else map
        vectors = in_batches(texts, encode_batch, run)
    assert vectors[:, 0].tolist() == [len(text) for text in texts]
    assert max(spans) == BATCH - 1, "a batch has lengths that follow each other"


def test_padding_has_no_part_in_the_mean() -> None:
    states = np.array([[[3, 0], [0, 4], [9, 9]], [[0, 2], [9, 9], [9, 9]]], dtype=np.float32)
    # The sums are (3, 4), of norm 5, and (0, 2), of norm 2.
    pooled = mean_pooled(states, np.array([2, 1]))
    np.testing.assert_allclose(pooled, [[0.6, 0.8], [0, 1]], rtol=1e-6)


def test_a_process_answers_in_spite_of_what_its_engine_prints(fake_peer: Path) -> None:
    with PeerProcess(fake(fake_peer), fake_peer, threads=3) as process:
        process.load()
        spent, vectors = process.encode(["ab", "한국어"])
        assert vectors.dtype == np.float32
        assert vectors.tolist() == [[2, 3], [3, 3]]
        assert len(process.seconds(["a"], calls=4)) == 4
        described = process.describe()
    assert spent > 0
    assert described.versions == {"numpy": np.__version__}
    assert described.peak_bytes > 10_000_000, "an interpreter with numpy takes more"


def test_what_an_engine_raises_is_the_reason_without_paths(fake_peer: Path) -> None:
    reason = f"^RuntimeError: unknown architecture in {fake_peer.name}/weights$"
    with (
        PeerProcess(fake(fake_peer, "broken"), fake_peer, 1) as process,
        pytest.raises(PeerError, match=reason),
    ):
        process.load()


def test_a_process_that_dies_leaves_its_last_words(fake_peer: Path) -> None:
    with PeerProcess(fake(fake_peer, "dies"), fake_peer, 1) as process:
        process.load()
        with pytest.raises(PeerError, match="ended with 7: out of registers"):
            process.encode(["a"])


def test_missing_files_and_environments_are_reasons(fake_peer: Path) -> None:
    with pytest.raises(PeerError, match=r"model\.bin is missing"):
        PeerProcess(Contender("x", "fake_peer", None, fake_peer, ("model.bin",), ()), fake_peer, 1)
    elsewhere = Contender("x", "fake_peer", "fastembed", fake_peer, ("weights",), ())
    with pytest.raises(PeerError, match="environment fastembed is missing"):
        PeerProcess(elsewhere, fake_peer, 1)


def test_ondol_is_a_contender_like_the_others(tiny_bundle: Path) -> None:
    manifest = Manifest.read(tiny_bundle)
    files = ("onnx/model-int8.onnx", manifest.tokenizer.path)
    contender = ondol_variants.contender(tiny_bundle, "onnx-int8", files)
    texts = ["한국 ab", "a b"]
    with PeerProcess(contender, tiny_bundle, threads=1) as process:
        process.load()
        _, vectors = process.encode(texts)
    with Embedder(tiny_bundle, variant="onnx-int8", threads=1) as model:
        np.testing.assert_array_equal(vectors, model.encode(texts))
    record = next(r for r in manifest.variants if r.name.value == "onnx-int8")
    assert contender.bytes_on_disk() == record.bytes + manifest.tokenizer.bytes


class Recipes:
    """make_peers.py with one recipe, the fake peer's, run by this process's own Python."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.out = folder / "out"
        self._checkpoint = folder
        self.broken: str | None = None
        (folder / "own" / "bin").mkdir(parents=True)
        monkeypatch.setattr(make_peers, "environment_names", lambda: ["own", "other"])
        monkeypatch.setattr(make_peers, "make_environment", self._environment)
        monkeypatch.setattr(make_peers, "environment_python", lambda *_: Path(sys.executable))
        monkeypatch.setattr(make_peers, "PREPARED", [self])

    __name__ = "fake_peer"
    ENVIRONMENT = "own"
    FOLDER = "fake"

    def _environment(self, peers: Path, name: str) -> None:
        if name == self.broken:
            raise PeerError("exit code 1: no matching distribution")

    def make(self, texts: Sequence[str]) -> dict[str, str]:
        return make_peers.make_all(self._checkpoint, self.out, texts)


@pytest.fixture
def recipes(fake_peer: Path, monkeypatch: pytest.MonkeyPatch) -> Recipes:
    return Recipes(fake_peer, monkeypatch)


def test_files_are_made_once_and_whole(recipes: Recipes) -> None:
    assert recipes.make(["a", "b"]) == {}
    assert (recipes.out / "fake" / "model.bin").read_text("utf-8") == "ww"
    assert "preparing" in (recipes.out / "logs" / "files-fake.txt").read_text("utf-8")
    assert recipes.make(["bad"]) == {}, "what is there already is kept"


def test_files_that_cannot_be_made_leave_a_reason_and_nothing_else(recipes: Recipes) -> None:
    reasons = recipes.make(["bad"])
    assert reasons == {
        "fake": "its files could not be made: exit code 1: ValueError: no such operator"
    }
    assert [path.name for path in recipes.out.iterdir()] == ["logs"]
    assert recipes.make(["good"]) == {}, "the same command goes on from there"


def test_an_environment_that_cannot_be_made_stops_its_own_peers_alone(recipes: Recipes) -> None:
    recipes.broken = "other"
    reason = "its environment could not be made: exit code 1: no matching distribution"
    assert recipes.make(["a"]) == {"environments/other": reason}
    assert (recipes.out / "fake").is_dir()


def test_an_environment_with_these_requirements_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "environments" / "fastembed"
    folder.mkdir(parents=True)
    wanted = (REQUIREMENTS / "fastembed.txt").read_text("utf-8")
    (folder / "requirements.txt").write_text(wanted, encoding="utf-8")
    make_peers.make_environment(tmp_path, "fastembed")
    assert "there already" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["requirements.txt"]


def test_calibration_takes_as_many_lines_of_every_corpus(tmp_path: Path) -> None:
    for name in ("ko", "en"):
        lines = "".join(f"{name} {i}\n" for i in range(100))
        (tmp_path / f"{name}.txt").write_text(lines, encoding="utf-8")
    texts = make_peers.calibration_texts([tmp_path / "ko.txt", tmp_path / "en.txt"])
    assert texts == [f"{name} {i}" for name in ("ko", "en") for i in range(64)]
    with pytest.raises(make_peers.InputError, match="has 100 lines; calibrating needs 128"):
        make_peers.calibration_texts([tmp_path / "ko.txt"])


def test_the_last_line_of_a_failed_command_is_its_reason(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('first'); sys.exit('the reason')"]
    with pytest.raises(PeerError, match=r"^exit code 1: the reason$"):
        make_peers.run_logged(command, tmp_path / "log.txt", {})
    assert "first" in (tmp_path / "log.txt").read_text("utf-8")
