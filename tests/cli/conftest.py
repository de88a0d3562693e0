"""A command line with a fake model, and a tiny real bundle."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ondol.cli import main
from ondol.testing import FakeEmbedder


@pytest.fixture
def fake_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ondol embed` uses a fake: 4 dimensions, at most 8 tokens."""
    monkeypatch.setattr(
        "ondol.cli.embed.open_model", lambda args: FakeEmbedder(dimension=4, max_tokens=8)
    )


@pytest.fixture
def type_stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Set the bytes that the next command finds on standard input."""

    def type_bytes(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return type_bytes


@pytest.fixture(scope="session")
def built() -> dict[str, Path]:
    """Keeps the tiny bundle for the whole session."""
    return {}


@pytest.fixture
def tiny_bundle(
    built: dict[str, Path],
    make_checkpoint: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
    capsys: Any,
) -> Path:
    """A bundle with onnx-fp32 alone, of a random two-layer model, made by `ondol build`."""
    if "tiny" not in built:
        bundle = tmp_path_factory.mktemp("bundle") / "tiny"
        source = make_checkpoint()
        options = ["--keep-vocab", "--variants", "onnx-fp32"]
        assert main(["build", str(source), "--out", str(bundle), *options]) == 0
        capsys.readouterr()
        built["tiny"] = bundle
    return built["tiny"]
