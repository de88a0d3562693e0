"""`ondol serve`: its options, up to where it would listen."""

import subprocess
import sys
from typing import Any

import pytest

from ondol.cli import main
from ondol.runtime.default import default_bundle
from ondol.testing import FakeEmbedder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "65536"], "'65536' is not a port"),
        (["--port", "-1"], "is not a port"),
        (["--max-texts", "0"], "'0' is not a whole number from 1"),
        (["--api-key", ""], "--api-key is empty"),
    ],
)
def test_wrong_usage(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", *options])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("package", ["starlette", "orjson"])
def test_a_missing_package_names_the_extra(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from ondol.cli import main; sys.exit(main(['serve', '--port', '0']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert package in done.stderr
    assert "pip install 'ondol[server]'" in done.stderr


class Scorer(FakeEmbedder):
    """Stands in for a reranker, of which only opening and closing matter here."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `ondol serve` would have started."""
    found: dict[str, Any] = {}

    def create_app(embedder: Any, model: Any, **options: Any) -> str:
        found.update(options, embedder=embedder, model=model)
        return "app"

    monkeypatch.setattr("ondol.serve.app.create_app", create_app)
    monkeypatch.setattr(
        "ondol.serve.run_server.run_server", lambda app, bound, **options: found.update(options)
    )
    return found


def test_options_arrive_and_everything_is_closed(
    started: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = {}

    def open_reranker(bundle: str, **options: Any) -> Scorer:
        opened[bundle] = Scorer()
        return opened[bundle]

    monkeypatch.setattr("ondol.Reranker", open_reranker, raising=False)
    monkeypatch.setenv("ONDOL_API_KEY", "of the environment")
    options = [
        "--model",
        str(default_bundle()),
        "--prompt",
        "passage",
        "--reranker",
        "r",
        "--threads",
    ]
    limits = ["1", "--max-body", "10", "--max-texts", "20", "--max-requests", "30"]
    assert main(["serve", "--port", "0", *options, *limits]) == 0
    assert started["model"].name == "default_bundle"
    assert started["model"].default_prompt == "passage"
    assert started["api_key"] == "of the environment"
    assert started["allowed_hosts"] == ["localhost", "127.0.0.1", "[::1]"]
    limits_found = started["limits"]
    assert (limits_found.body_bytes, limits_found.texts, limits_found.requests) == (10, 20, 30)
    assert started["reranker"] is opened["r"]
    with pytest.raises(Exception, match="closed"):
        opened["r"].embed(["a"])
    with pytest.raises(Exception, match="closed"):
        started["embedder"].embed(["a"])
    line = "serving default_bundle (onnx-int8) on http://127.0.0.1:"
    assert started["announcement"].startswith(line)


def test_the_command_line_wins_over_the_environment(
    started: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONDOL_API_KEY", "of the environment")
    command = ["serve", "--port", "0", "--model", str(default_bundle()), "--host", "0.0.0.0"]
    assert main([*command, "--api-key", "of the line"]) == 0
    assert started["api_key"] == "of the line"
    assert started["allowed_hosts"] is None


def test_an_unknown_prompt_is_an_error(
    started: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["serve", "--port", "0", "--model", str(default_bundle()), "--prompt", "quary"]
    assert main(command) == 1
    assert "no prompt named 'quary'; expected one of" in capsys.readouterr().err
