"""A hub on loopback, which can break off, corrupt, stall and refuse, and programs that ask it."""

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

#: The token that may write; every other one may only read.
WRITER = "hf_writer"

#: What a new repository's .gitattributes hands to large file storage, as far as it matters here.
_LARGE = {".onnx", ".gguf", ".safetensors", ".bin", ".npy"}

Files = dict[str, bytes]


def is_large(name: str) -> bool:
    return PurePosixPath(name).suffix in _LARGE


def object_id(content: bytes) -> str:
    """As `git hash-object` prints it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def files_of(directory: Path) -> Files:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@dataclass
class Repository:
    """Commits by id, and branches that point to them."""

    private: bool = False
    gated: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Files, branch: str = "main") -> str:
        text = repr((len(self.commits), sorted((n, object_id(c)) for n, c in files.items())))
        name = hashlib.sha1(text.encode()).hexdigest()
        self.commits[name] = dict(files)
        self.branches[branch] = name
        return name

    @property
    def main(self) -> Files:
        return self.commits[self.branches["main"]]


@dataclass
class Hub:
    """The stand-in and what was asked of it.

    Attributes:
        sent: names of the files whose content was asked for, and the first byte of each.
        received: SHA-256 of the large files that were uploaded.
        faults: what goes wrong with a file's content, one after the other.
        entity_tag: of a small file.
    """

    home: Path
    repositories: dict[str, Repository] = field(default_factory=dict)
    storage: dict[str, bytes] = field(default_factory=dict)
    sent: list[tuple[str, int]] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    faults: dict[str, Iterator[str]] = field(default_factory=dict)
    entity_tag: Callable[[bytes], str] = object_id
    closing: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def hold(self, repository: str, files: Files, **options: bool) -> str:
        """Make a repository of one commit, whose id is returned."""
        return self.repositories.setdefault(repository, Repository(**options)).commit(files)

    def fail(self, name: str, fault: str, times: int | None = None) -> None:
        """Let the transfers of a file `break`, `stall`, arrive with `corrupt` content or be
        `refuse`d; the next `times` ones, or all."""
        self.faults[name] = repeat(fault) if times is None else repeat(fault, times)

    def names_sent(self) -> list[str]:
        return sorted({name for name, _ in self.sent})

    def environment(self) -> dict[str, str]:
        """The variables of a process that asks this hub."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))},
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",  # this hub speaks HTTP alone
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def ondol(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run the command against this hub, with a cache of its own."""
        program = "import sys; from ondol.cli import main; sys.exit(main(sys.argv[1:]))"
        return self.python(program, *arguments, **environment)

    def python(
        self, program: str, *arguments: str, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program: huggingface_hub reads its environment once, at import."""
        # The client waits between its attempts, up to eight seconds.
        command = f"import time; time.sleep = lambda seconds: None\n{program}"
        return subprocess.run(
            [sys.executable, "-c", command, *arguments],
            env=self.environment() | environment,
            cwd=self.home.parent,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )


class Handler(BaseHTTPRequestHandler):
    """The routes that huggingface_hub 0.34 to 2 calls; names, statuses and headers are its own."""

    def __init__(self, hub: Hub, *args: Any) -> None:
        self.hub = hub
        super().__init__(*args)

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        match path.strip("/").split("/"):
            case ["api", "models", owner, name, *rest]:
                self._api(f"{owner}/{name}", rest)
            case [owner, name, "resolve", revision, *rest]:
                self._resolve(f"{owner}/{name}", revision, "/".join(rest))
            case ["storage", oid, *rest]:
                assert self._token() is None
                self._content("/".join(rest), self.hub.storage[oid], {"ETag": f'"{oid}"'})
            case _:
                self._error(404, "EntryNotFound")

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks up

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(self.path.partition("?")[0])
        token = self._token()
        if path == "/api/validate-yaml":
            return self._json({"warnings": []})
        if token != WRITER:
            self._error(403 if token else 401, message="this token may not write")
            return None
        match path.strip("/").split("/"):
            case ["api", "repos", "create"]:
                return self._create(json.loads(body))
            case ["api", "models", owner, name, "branch", branch]:
                repository = self.hub.repositories[f"{owner}/{name}"]
                if branch in repository.branches:
                    return self._error(409)
                repository.branches[branch] = repository.branches["main"]
                return self._json({})
            case ["api", "models", owner, name, "preupload", revision]:
                return self._preupload(f"{owner}/{name}", revision, json.loads(body))
            case ["api", "models", owner, name, "commit", revision]:
                return self._commit(f"{owner}/{name}", revision, body)
            case [_, _, "info", "lfs", "objects", "batch"]:
                return self._batch(json.loads(body))
        return self._error(404)

    def do_PUT(self) -> None:
        oid = self.path.rpartition("/")[2]
        if next(self.hub.faults.get("PUT", iter(())), None) == "break":
            return self._hang_up()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.storage[oid] = body
        self.hub.received.append(oid)
        return self._json({})

    def _api(self, repository_id: str, rest: list[str]) -> None:
        repository = self._readable(repository_id)
        if repository is None:
            return None
        match rest:
            case []:
                revision = "main"
            case ["revision", revision]:
                pass
            case ["tree", revision]:
                _, files = self._files(repository, revision)
                tree = [
                    {"type": "file", "path": name, "size": len(content), "oid": object_id(content)}
                    for name, content in files.items()
                ]
                return self._json(tree)
            case _:
                return self._error(404)
        commit, files = self._files(repository, revision)
        siblings = [{"rfilename": name} for name in files]
        return self._json(
            {
                "id": repository_id,
                "sha": commit,
                "private": repository.private,
                "siblings": siblings,
            }
        )

    def _resolve(self, repository_id: str, revision: str, name: str) -> None:
        repository = self._readable(repository_id)
        if repository is None:
            return None
        if repository.gated and self._token() is None:
            return self._error(403, "GatedRepo")
        commit, files = self._files(repository, revision)
        if not commit:
            return self._error(404, "RevisionNotFound")
        if name not in files:
            return self._error(404, "EntryNotFound", **{"X-Repo-Commit": commit})
        content, headers = files[name], {"X-Repo-Commit": commit}
        if not is_large(name):
            return self._content(
                name, content, {**headers, "ETag": f'"{self.hub.entity_tag(content)}"'}
            )
        oid = hashlib.sha256(content).hexdigest()
        self.hub.storage[oid] = content
        # Large files lie on another host, which is to see no token.
        storage = self.hub.url.replace("127.0.0.1", "localhost")
        headers |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content))}
        return self._answer(302, b"", {**headers, "Location": f"{storage}/storage/{oid}/{name}"})

    def _content(self, name: str, content: bytes, headers: dict[str, str]) -> None:
        """A file, or what of it the Range header asks for, unless something is to go wrong."""
        if self.command == "HEAD":
            return self._answer(200, content, headers)
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.hub.sent.append((name, start))
        fault = next(self.hub.faults.get(name, iter(())), None)
        if fault == "refuse":
            return self._error(503)
        if fault == "corrupt":
            content = content[:-1] + bytes([content[-1] ^ 1])
        status, total, content = (206 if start else 200), len(content), content[start:]
        if start:
            headers = {**headers, "Content-Range": f"bytes {start}-{total - 1}/{total}"}
        if fault in ("break", "stall"):
            self._head(status, len(content), headers)
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            if fault == "stall":
                self.hub.closing.wait(60)
            return self._hang_up()
        return self._answer(status, content, headers)

    def _create(self, wanted: dict[str, Any]) -> None:
        repository_id = f"{wanted['organization']}/{wanted['name']}"
        if repository_id in self.hub.repositories:
            return self._json({"url": f"{self.hub.url}/{repository_id}"}, status=409)
        # The second word is that of huggingface_hub from 2.0.
        private = wanted.get("private", False) or wanted.get("visibility") == "private"
        self.hub.hold(repository_id, {".gitattributes": b"lfs"}, private=private)
        return self._json({"url": f"{self.hub.url}/{repository_id}"})

    def _preupload(self, repository_id: str, revision: str, wanted: dict[str, Any]) -> None:
        _, held = self._files(self.hub.repositories[repository_id], revision)
        answers = []
        for file in wanted["files"]:
            name = file["path"]
            mode = "lfs" if is_large(name) else "regular"
            oid = object_id(held[name]) if name in held and mode == "regular" else None
            answers.append({"path": name, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._json({"files": answers})

    def _batch(self, wanted: dict[str, Any]) -> None:
        objects = []
        for item in wanted["objects"]:
            answer = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.hub.storage:
                answer["actions"] = {"upload": {"href": f"{self.hub.url}/upload/{item['oid']}"}}
            objects.append(answer)
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, repository_id: str, revision: str, body: bytes) -> None:
        repository = self.hub.repositories[repository_id]
        _, files = self._files(repository, revision)
        files = dict(files)
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            match operation["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.storage[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        commit = repository.commit(files, revision)
        url = f"{self.hub.url}/{repository_id}/commit/{commit}"
        self._json({"commitOid": commit, "commitUrl": url})

    def _readable(self, repository_id: str) -> Repository | None:
        repository = self.hub.repositories.get(repository_id)
        if repository is None or (repository.private and self._token() is None):
            # The hub does not tell a missing repository from a private one.
            self._error(404 if self._token() else 401, "RepoNotFound")
            return None
        return repository

    @staticmethod
    def _files(repository: Repository, revision: str) -> tuple[str, Files]:
        commit = repository.branches.get(revision, revision)
        files = repository.commits.get(commit)
        return ("", {}) if files is None else (commit, files)

    def _token(self) -> str | None:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None

    def _json(self, content: Any, status: int = 200) -> None:
        headers = {"Content-Type": "application/json"}
        self._answer(status, json.dumps(content).encode(), headers)

    def _error(self, status: int, code: str = "", message: str = "", **headers: str) -> None:
        headers |= {"X-Error-Code": code} if code else {}
        headers |= {"X-Error-Message": message} if message else {}
        self._answer(status, b"{}", headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._head(status, len(body), headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def running_hub(home: Path) -> Iterator[Hub]:
    """A hub without repositories. home: of the cache of those that ask it."""
    hub = Hub(home)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield hub
    hub.closing.set()
    server.shutdown()
    server.server_close()
