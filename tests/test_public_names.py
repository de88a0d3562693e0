"""`import ondol`: what it offers, and what it does not load."""

import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

import ondol
import ondol.errors

HEAVY = (
    "torch", "transformers", "optimum", "onnx", "sentence_transformers", "gguf", "pyarrow",
    "huggingface_hub", "requests", "apsw", "sqlite_vec", "pypdf", "docx", "lxml", "markdown_it",
    "pathspec", "snowballstemmer", "starlette", "uvicorn", "pydantic", "prometheus_client",
    "fsspec", "ray",
)  # fmt: skip


def test_all_is_sorted_and_is_what_the_module_exposes() -> None:
    assert ondol.__all__ == sorted(ondol.__all__)
    for name in ondol.__all__:
        getattr(ondol, name)  # lazy names land in the module
    exposed = {
        name
        for name, value in vars(ondol).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    exposed -= {"Any", "TYPE_CHECKING", "import_module"}
    assert exposed | {"__version__"} == set(ondol.__all__)
    assert dir(ondol) == ondol.__all__


def test_every_error_is_public() -> None:
    errors = {
        name
        for name, value in vars(ondol.errors).items()
        if isinstance(value, type) and issubclass(value, ondol.OndolError)
    }
    assert errors <= set(ondol.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Embeder'"):
        _ = ondol.Embeder


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    assert ondol.__version__ == project["project"]["version"]


@pytest.mark.parametrize(
    ("code", "banned"),
    [
        ("import ondol", (*HEAVY, "numpy", "onnxruntime", "tokenizers")),
        ("import ondol; ondol.Embedder", (*HEAVY, "llama_cpp")),
        (
            "import ondol.cli, contextlib\n"
            "with contextlib.suppress(SystemExit): ondol.cli.main(['embed', '--help'])",
            (*HEAVY, "numpy", "onnxruntime", "tokenizers", "llama_cpp"),
        ),
        (
            "import ondol.cli, contextlib\n"
            "for command in ('index', 'search', 'embed-dataset'):\n"
            "  with contextlib.suppress(SystemExit): ondol.cli.main([command, '--help'])",
            (*HEAVY, "numpy", "onnxruntime", "tokenizers", "llama_cpp"),
        ),
    ],
)
def test_a_fresh_process_loads_nothing_heavy(code: str, banned: tuple[str, ...]) -> None:
    code += f"\nimport sys; print('loaded:', sorted(set({banned!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded: []"
