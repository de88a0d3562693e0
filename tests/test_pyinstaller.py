"""A frozen program has the bundle and every module; `examples/desktop/build.sh` freezes one."""

import runpy
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

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


def test_the_hook_names_every_file_of_the_bundle_and_every_late_module() -> None:
    pytest.importorskip("PyInstaller", reason="needs pyinstaller, which the extra dev brings")
    hook = runpy.run_path(str(_hook_dir() / "hook-ondol.py"))
    bundle = default_bundle()
    files = {path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file()}
    placed = {Path(folder) / Path(source).name for source, folder in hook["datas"]}
    assert placed == {Path("ondol", "default_bundle", file) for file in files}
    assert all(find_spec(name) for name in hook["hiddenimports"])
    assert "ondol.runtime.embedder" in hook["hiddenimports"]
