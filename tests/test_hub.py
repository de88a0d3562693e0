"""Resolving a source: directories, and a hub stand-in on loopback."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ondol.errors import CheckpointError
from ondol.hub import resolve

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """The routes of huggingface.co that snapshot_download of huggingface_hub 0.34 to 2 calls."""

    def __init__(self, files: dict[str, bytes], asked: list[str], *args: Any) -> None:
        self.files, self.asked = files, asked
        super().__init__(*args)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/org/name/revision/"):
            return self._json(
                {
                    "id": "org/name",
                    "sha": COMMIT,
                    "siblings": [{"rfilename": f} for f in self.files],
                }
            )
        if path.startswith("/api/models/org/name/tree/"):
            tree = [
                {"type": "file", "path": f, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                for f, c in self.files.items()
            ]
            return self._json(tree)
        prefix = f"/org/name/resolve/{COMMIT}/"
        name = path.removeprefix(prefix)
        if path.startswith(prefix) and name in self.files:
            if self.command == "GET":
                self.asked.append(name)
            return self._answer(
                self.files[name], ETag=f'"{hashlib.sha1(self.files[name]).hexdigest()}"'
            )
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks up

    def _json(self, content: Any) -> None:
        self._answer(json.dumps(content).encode(), **{"Content-Type": "application/json"})

    def _answer(self, body: bytes, **headers: str) -> None:
        self.send_response(200)
        for name, value in {"X-Repo-Commit": COMMIT, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


Resolve = Callable[..., "subprocess.CompletedProcess[str]"]

PROGRAM = """
import sys
from ondol.hub import resolve
resolved = resolve(sys.argv[1], *sys.argv[2:])
print(resolved.directory, resolved.id, resolved.revision, sep="\\n")
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[dict[str, bytes], list[str], Resolve]]:
    """Files of the repository org/name, what was downloaded, and a call of `resolve`.

    The call is a process of its own: huggingface_hub reads its environment once, at import.
    """
    files: dict[str, bytes] = {}
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, files, asked))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def call(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        variables = {
            **{k: v for k, v in os.environ.items() if not k.startswith("HF_")},
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path / "cache"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **environment,
        }
        command = [sys.executable, "-c", PROGRAM, *arguments]
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)

    yield files, asked, call
    server.shutdown()
    server.server_close()


def test_a_directory_is_taken_as_it_is(tmp_path: Path) -> None:
    resolved = resolve(str(tmp_path))
    assert (resolved.directory, resolved.id, resolved.revision) == (tmp_path, tmp_path.name, None)
    with pytest.raises(CheckpointError, match="has no revision 'main'"):
        resolve(str(tmp_path), "main")


@pytest.mark.parametrize("source", ["nowhere", "./org/name", "/org/name", "a/b/c", "org/na me"])
def test_neither_directory_nor_id(source: str) -> None:
    with pytest.raises(CheckpointError, match="neither a directory nor a hub id"):
        resolve(source)


def test_only_needed_files_are_downloaded_and_the_commit_is_known(hub: Any) -> None:
    files, asked, call = hub
    files.update(
        {
            "config.json": b"{}",
            "model.safetensors": b"weights",
            "1_Pooling/config.json": b"{ }",  # the hub client takes equal content once
            "onnx/model.onnx": b"huge",
            "pytorch_model.bin": b"the same weights again",
        }
    )
    directory, name, revision = call("org/name", "main").stdout.splitlines()
    assert (name, revision) == ("org/name", COMMIT)
    assert (Path(directory) / "model.safetensors").read_bytes() == b"weights"
    assert sorted(asked) == ["1_Pooling/config.json", "config.json", "model.safetensors"]

    # What was downloaded once is used again without the hub.
    offline = call("org/name", "main", HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:9")
    assert offline.stdout.splitlines() == [directory, name, revision]


def test_pickled_weights_only_where_there_are_no_others(hub: Any) -> None:
    files, asked, call = hub
    files.update({"config.json": b"{}", "pytorch_model.bin": b"weights"})
    directory = call("org/name").stdout.splitlines()[0]
    assert (Path(directory) / "pytorch_model.bin").read_bytes() == b"weights"
    assert sorted(asked) == ["config.json", "pytorch_model.bin"]


def test_a_missing_repository_is_explained(hub: Any) -> None:
    *_, call = hub
    result = call("org/other")
    assert result.returncode == 1
    assert "CheckpointError: cannot get org/other from the hub: " in result.stderr
