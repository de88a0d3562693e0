"""A frozen program has the bundle and every module; `examples/desktop/build.sh` freezes one."""

import runpy
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import ondol
from ondol.runtime.default import default_bundle

ROOT = Path(__file__).parents[1]


def _hook_dir() -> Path:
    """As PyInstaller finds it: through the entry point."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module, function = project["entry-points"]["pyinstaller40"]["hook-dirs"].split(":")
    (directory,) = getattr(import_module(module), function)()
    return Path(directory)


def test_the_entry_point_leads_to_the_hook() -> None:
    assert (_hook_dir() / f"hook-{ondol.__name__}.py").is_file()


@pytest.fixture(scope="module")
def hook() -> dict[str, Any]:
    """The names that PyInstaller takes from the hook."""
    pytest.importorskip("PyInstaller", reason="needs pyinstaller, which the extra dev brings")
    return runpy.run_path(str(_hook_dir() / "hook-ondol.py"))


def test_the_hook_names_the_libraries_that_llama_cpp_loads_by_path(hook: dict[str, Any]) -> None:
    pytest.importorskip("llama_cpp", reason="needs llama-cpp-python, which the extra gguf brings")
    assert any("llama" in Path(source).name for source, _ in hook["binaries"])
    assert {Path(folder).parts[0] for _, folder in hook["binaries"]} == {"llama_cpp"}


def test_the_hook_names_every_file_of_the_bundle_and_every_late_module(
    hook: dict[str, Any],
) -> None:
    bundle = default_bundle()
    files = {path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file()}
    placed = {Path(folder) / Path(source).name for source, folder in hook["datas"]}
    assert placed == {Path("ondol", "default_bundle", file) for file in files}
    assert all(find_spec(name) for name in hook["hiddenimports"])
    assert "ondol.runtime.embedder" in hook["hiddenimports"]


def test_the_program_that_is_frozen_ranks_a_file(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text(
        "주가가 떨어졌다.\n\n제주도는 대한민국에서 가장 큰 섬이다.\n", encoding="utf-8"
    )
    command = [sys.executable, str(ROOT / "examples" / "desktop" / "ranking.py"), "가장 큰 섬"]
    done = subprocess.run([*command, str(notes)], capture_output=True, encoding="utf-8", check=True)
    lines = done.stdout.splitlines()
    assert lines[0].endswith("제주도는 대한민국에서 가장 큰 섬이다.")
    assert lines[-1].startswith("2 lines in ")
    missing = subprocess.run(
        [*command, str(tmp_path / "none.txt")], capture_output=True, encoding="utf-8"
    )
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: ")
