"""The commands that write something, each as a job that can be run, stopped and looked at."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import pytest
from hub_stand_in import Hub, files_of, running_hub

ONDOL = [sys.executable, "-m", "ondol"]

#: Passages of the documents that are indexed: several transactions.
_DOCUMENTS, _PARAGRAPHS = 24, 10


@dataclass
class Job:
    """A command line and what it makes.

    Attributes:
        folder: holds nothing but the result.
        out: the result, inside it.
        before: what is there before the command runs.
        state: what is at `out`, None if nothing; fails if that is half-written.
        hub: what it pulls from.
        cache: what a later run goes on with; removed with the result.
    """

    name: str
    arguments: list[str]
    out: Path
    before: bytes | None
    state: Callable[[Path], Any]
    cache: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    hub: Hub | None = None

    @property
    def folder(self) -> Path:
        return self.out.parent

    def start_arguments(self) -> list[str]:
        return [*ONDOL, *self.arguments]

    def start(self, **options: Any) -> "subprocess.Popen[bytes]":
        # One thread: PyTorch's threads wait for each other on machines that others use too.
        environment = {**self.environment, "OMP_NUM_THREADS": "1"}
        defaults: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "env": environment,
            # A shell lets what runs in the background ignore Ctrl-C; not so these.
            "preexec_fn": take_ctrl_c,
        }
        return subprocess.Popen(self.start_arguments(), **{**defaults, **options})

    def finish(self) -> str:
        """Run it to its end; returns what it said on standard error."""
        process = self.start()
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr.decode()
        return stderr.decode()

    def fail(self, **options: Any) -> str:
        """Run it where it cannot be done; returns the line that says why."""
        process = self.start(**options)
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 1, stderr.decode()
        assert "Traceback" not in stderr.decode()
        last: str = stderr.decode().splitlines()[-1]
        assert last.startswith("ondol: error: ")
        return last

    @staticmethod
    def wait_until(condition: Callable[[], bool]) -> None:
        """For what another process does."""
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def stop_at(self, moment: float, number: int, delay: float = 0.0) -> tuple[int, str, float]:
        """Send it a signal when it has worked for so many seconds, or `delay` seconds after that.

        Returns the exit code, standard error, and the seconds for which it had worked.
        """
        process = self.start()
        for worked in working(process):
            if worked >= moment:
                time.sleep(delay)
                process.send_signal(number)
                break
        _, stderr = process.communicate(timeout=60)
        return process.returncode, stderr.decode(), worked

    def reset(self) -> None:
        """As before the first run."""
        for path in (self.folder, self.cache):
            if path is not None:
                shutil.rmtree(path, ignore_errors=True)
        self.folder.mkdir()
        if self.before is not None:
            self.out.write_bytes(self.before)

    def leftovers(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if ".partial-" in path.name]

    def found(self) -> Any:
        return self.state(self.out)

    def measure(self) -> tuple[float, float]:
        """Run it to its end: seconds for which it worked, in all and until it began to write."""
        names = set(self.folder.iterdir())
        begun = 0.0
        process = self.start(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for worked in working(process):
            if not begun and set(self.folder.iterdir()) != names:
                begun = worked
        assert process.returncode == 0
        assert 0 < begun < worked
        return worked, begun


def take_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def working(process: "subprocess.Popen[bytes]") -> Iterator[float]:
    """Seconds of processor time of a process, again and again until it has ended.

    Unlike seconds of the clock they say how far it is, whatever else the machine does.
    """
    # A process's own clock, as clock_getcpuclockid(3) makes its number on Linux.
    clock = (~process.pid << 3) | 2
    while process.poll() is None:
        with suppress(OSError):  # it has ended just now
            yield time.clock_gettime(clock)
        time.sleep(0.002)


def directory_state(out: Path) -> dict[str, bytes] | None:
    return files_of(out) if out.exists() else None


def file_state(out: Path) -> bytes | None:
    return out.read_bytes() if out.exists() else None


def index_state(db: Path) -> dict[tuple[str, int], tuple[Any, ...]] | None:
    """Passages by file and position. Fails if SQLite or one table contradicts another."""
    if not db.exists():
        return None
    connection = apsw.Connection(str(db))
    run = connection.execute
    if run("SELECT count(*) FROM sqlite_schema").get == 0:
        return None
    assert run("PRAGMA integrity_check").get == "ok"
    assert run("PRAGMA foreign_key_check").fetchall() == []
    rows = run(
        "SELECT path, position, text, vector FROM passages JOIN files ON files.id = file "
        "LEFT JOIN vectors ON passage = passages.id"
    ).fetchall()
    for table in ("vectors", "signs", "words"):
        assert run(f"SELECT count(*) FROM {table}").get == len(rows), table
    connection.close()
    found = {(path, position): content for path, position, *content in rows}
    assert len(found) == len(rows), "a passage is there twice"
    return {place: tuple(content) for place, content in found.items()}


MakeJob = Callable[[str], Job]


@pytest.fixture
def make_job(tmp_path: Path, make_checkpoint: Callable[..., Path]) -> Iterator[MakeJob]:
    """A job by its name: build, prune, embed-npy, embed-parquet, index or pull."""
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    with ExitStack() as stack:

        def make(name: str) -> Job:
            match name.split("-"):
                case ["build"]:
                    return _build(make_checkpoint(), out)
                case ["prune"]:
                    return _prune(make_checkpoint(), out)
                case ["embed", suffix]:
                    return _embed(tmp_path, out, suffix)
                case ["index"]:
                    return _index(tmp_path, out)
                case ["pull"]:
                    return _pull(stack.enter_context(running_hub(tmp_path / "home")), out)
            raise AssertionError(name)

        yield make


def _build(checkpoint: Path, folder: Path) -> Job:
    out = folder / "bundle"
    options = ["--keep-vocab", "--variants", "onnx-fp32,gguf-f16"]
    arguments = ["build", str(checkpoint), "--out", str(out), *options]
    return Job("build", arguments, out, None, directory_state)


def _prune(checkpoint: Path, folder: Path) -> Job:
    out = folder / "pruned"
    corpus = checkpoint / "corpus.txt"
    corpus.write_text("한국 ab\nab 한국어\n", encoding="utf-8")
    options = ["--vocab-size", "12", "--corpus", str(corpus), "--corpus-only"]
    arguments = ["prune", str(checkpoint), "--out", str(out), *options]
    return Job("prune", arguments, out, None, directory_state)


def _embed(work: Path, folder: Path, suffix: str) -> Job:
    texts = work / "texts.txt"
    # Two windows, so that one is written before the other is embedded.
    texts.write_text("".join(f"{n} 번째\n" for n in range(1500)), encoding="utf-8")
    out = folder / f"vectors.{suffix}"
    arguments = ["embed", "--input", str(texts), "--out", str(out)]
    return Job(f"embed-{suffix}", arguments, out, b"the result of an earlier run", file_state)


def _index(work: Path, folder: Path) -> Job:
    documents = work / "documents"
    documents.mkdir()
    hour_ago = time.time() - 3600  # so that a file's time can be trusted
    for document in range(_DOCUMENTS):
        path = documents / f"{document}.md"
        sections = (f"# {n}\n\n{document} 번째 글의 {n} 번째 문단.\n" for n in range(_PARAGRAPHS))
        path.write_text("\n".join(sections), encoding="utf-8")
        os.utime(path, (hour_ago, hour_ago))
    out = folder / "index.sqlite3"
    arguments = ["index", str(documents), "--db", str(out)]
    return Job("index", arguments, out, None, index_state)


def _pull(hub: Hub, folder: Path) -> Job:
    from ondol.runtime.default import default_bundle

    hub.hold("org/name", files_of(default_bundle()))
    out = folder / "bundle"
    arguments = ["pull", "org/name", "--out", str(out)]
    environment = hub.environment()
    return Job("pull", arguments, out, None, directory_state, hub.home, environment, hub)
