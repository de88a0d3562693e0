"""What pyproject.toml lists is what the folders hold, and the data is inside the installation."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Folders beside src that install under `ondol`. Of benchmarks only the core does: the programs
#: and their peers are for the project itself.
STAGES = {
    "benchmarks": ROOT / "benchmarks" / "core",
    "convert": ROOT / "convert",
    "runtime": ROOT / "runtime",
    "vocab_prune": ROOT / "vocab_prune",
}


def test_every_folder_with_modules_is_listed() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    listed = set(tool["setuptools"]["packages"])
    places = {"ondol": ROOT / "src" / "ondol"}
    places |= {f"ondol.{name}": folder for name, folder in STAGES.items()}
    found = {"ondol.default_bundle"}  # data only
    for package, folder in places.items():
        for path in folder.rglob("*.py"):
            parts = path.parent.relative_to(folder).parts
            # The links beside ondol's own modules are for static tools; their target is listed.
            if package == "ondol" and parts and (folder / parts[0]).is_symlink():
                continue
            found.add(".".join((package, *parts)))
    assert listed == found


@pytest.mark.parametrize(
    "path",
    [
        "py.typed",
        "convert/reference_texts.json",
        "default_bundle/ondol.json",
        "default_bundle/onnx/model-int8.onnx",
        "page/static/app.js",
        "page/static/index.html",
        "vocab_prune/data/verification.json",
        "vocab_prune/data/xlmr_counts.tsv.gz",
    ],
)
def test_data_is_installed(path: str) -> None:
    assert (files("ondol") / path).is_file()


def test_static_tools_see_the_stage_folders() -> None:
    for name, folder in STAGES.items():
        link = ROOT / "src" / "ondol" / name
        assert link.is_symlink()
        assert link.resolve() == folder


def test_the_same_sources_give_the_same_wheel(tmp_path: Path) -> None:
    """Byte for byte, with SOURCE_DATE_EPOCH: https://reproducible-builds.org/specs/source-date-epoch/"""
    pytest.importorskip("setuptools", minversion="77")
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    digests = set()
    for name in ("first", "second"):
        source = tmp_path / name
        unwanted = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
        shutil.copytree(ROOT, source, symlinks=True, ignore=unwanted, copy_function=shutil.copyfile)
        subprocess.run(
            [sys.executable, "-c", build, str(tmp_path)],
            cwd=source, env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"},
            capture_output=True, check=True,
        )  # fmt: skip
        (wheel,) = tmp_path.glob("*.whl")
        digests.add(hashlib.sha256(wheel.read_bytes()).hexdigest())
        wheel.unlink()
    assert len(digests) == 1


def _pins(path: Path) -> set[tuple[str, str]]:
    """Packages of a requirements file, in lower case with dashes, and their versions: some have
    another one for another Python.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([\w.-]+)==([^\s;\\]+)", line) for line in lines)
    return {(_canonical(pin[1]), pin[2]) for pin in found if pin is not None}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_requirement_is_locked_to_its_bytes() -> None:
    lock = ROOT / "packaging" / "requirements.lock"
    entries = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert len(entries) == len(_pins(lock))
    (torch,) = _pins(ROOT / "packaging" / "constraints.txt") - _pins(lock)
    # Installed before the others and by itself; see the Makefile.
    assert torch[0] == "torch"
    assert f"TORCH ?= torch=={torch[1]}" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_what_pyproject_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    asked = {_canonical(re.split(r"[^\w.-]", one)[0]) for group in groups for one in group}
    locked = {name for name, _ in _pins(ROOT / "packaging" / "requirements.lock")}
    assert asked - {"ondol", "torch"} <= locked
