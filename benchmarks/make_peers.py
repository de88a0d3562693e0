"""Make what ondol is compared with: an environment for each group of peers, and their files.

    python benchmarks/make_peers.py CHECKPOINT OUT --corpus ../shared/corpus/{ko,en}.txt.gz

CHECKPOINT is a directory that sentence-transformers loads. All peers run these weights, so give the
one that the bundle was built from: the pruned one if it was pruned.

    OUT/environments/NAME   a virtual environment with peers/requirements/NAME.txt
    OUT/FOLDER              what a peer's own tools made of the checkpoint
    OUT/logs                what pip and these tools printed
    OUT/reasons.json        why an environment or a folder could not be made; compare.py prints it

What is there already is kept, so the command goes on where it was stopped, and a second checkpoint
shares the environments of the first if OUT/environments is a link to them. From nothing it takes a
quarter of an hour on two cores, most of it for compiling llama-cpp-python, and 5 GB.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from peers.places import (
    BENCHMARKS,
    REQUIREMENTS,
    environment_names,
    environment_python,
    reasons_file,
)
from peers.process import PeerError, one_line
from peers.registry import PREPARED

from ondol.checkpoint import Checkpoint
from ondol.cli.inputs import from_file
from ondol.errors import InputError, OndolError
from ondol.files import atomic_directory, atomic_file

REPOSITORY = BENCHMARKS.parent

#: As many as optimum-intel takes where its caller, here sentence-transformers, names no number.
CALIBRATION_TEXTS = 128

#: Of the Makefile, which says why.
LEAN = (
    "-DLLAVA_BUILD=OFF "
    f"-DCMAKE_PROJECT_llama.cpp_INCLUDE={REPOSITORY / 'packaging' / 'llama-lean.cmake'}"
)

#: The environment in which model_call.py runs, so that ondol has to be there too.
WITH_ONDOL = "sentence-transformers"


def make_environment(peers: Path, name: str) -> None:
    """The environment, unless it is there with these requirements. Raises PeerError."""
    wanted = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    python = environment_python(peers, name)
    installed = python.parents[1] / "requirements.txt"  # written last: it says that all is there
    if installed.is_file() and installed.read_text(encoding="utf-8") == wanted:
        print(f"environment {name}: there already", file=sys.stderr)
        return
    print(f"environment {name}: installing", file=sys.stderr)
    if not python.exists():
        venv.create(python.parents[1], with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    # By its exact version and before the rest: left to the resolver it comes with CUDA.
    torch = [line for line in wanted.splitlines() if line.startswith("torch==")]
    commands = [[*pip, *torch]] if torch else []
    commands.append([*pip, "-r", str(REQUIREMENTS / f"{name}.txt")])
    if name == WITH_ONDOL:
        commands.append([*pip, "--no-deps", "--editable", str(REPOSITORY)])
    for number, command in enumerate(commands):
        run_logged(
            command,
            peers / "logs" / f"environment-{name}-{number}.txt",
            {**os.environ, "CMAKE_ARGS": LEAN},
        )
    with atomic_file(installed) as partial:
        partial.write_text(wanted, encoding="utf-8")


def make_files(peers: Path, module: str, environment: str, folder: str, inputs: Path) -> None:
    """What a peer's `prepare` writes, unless it is there. Raises PeerError.

    inputs: a directory with `checkpoint`, a link, and `texts.json`.
    """
    if (peers / folder).is_dir():
        print(f"files {folder}: there already", file=sys.stderr)
        return
    print(f"files {folder}: making", file=sys.stderr)
    with atomic_directory(peers / folder) as partial:
        run_logged(
            [
                str(environment_python(peers, environment)),
                "-m",
                "peers.prepare",
                module,
                str(inputs / "checkpoint"),
                str(partial),
                str(inputs / "texts.json"),
            ],
            peers / "logs" / f"files-{folder}.txt",
            dict(os.environ),
        )


def run_logged(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
    """Run to the end, all output into `log`. Raises PeerError with its last line if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            command,
            cwd=BENCHMARKS,
            # What it printed before it failed comes before why it did.
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        said = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        message = f"exit code {done.returncode}: {said}"
        raise PeerError(one_line(message, log.parents[1], REPOSITORY))


def make_all(checkpoint: Path, peers: Path, texts: Sequence[str]) -> dict[str, str]:
    """Every environment, then every folder. Returns reasons by name for those that failed."""
    reasons: dict[str, str] = {}
    for name in environment_names():
        try:
            make_environment(peers, name)
        except (PeerError, subprocess.CalledProcessError) as error:
            reasons[f"environments/{name}"] = f"its environment could not be made: {error}"
            print(f"environment {name}: {error}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as work:
        inputs = Path(work)
        # Under one name for all, so that no file says where the checkpoint lay.
        (inputs / "checkpoint").symlink_to(checkpoint.resolve())
        (inputs / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        for module in PREPARED:
            if f"environments/{module.ENVIRONMENT}" in reasons:
                continue
            try:
                make_files(peers, module.__name__, module.ENVIRONMENT, module.FOLDER, inputs)
            except PeerError as error:
                reasons[module.FOLDER] = f"its files could not be made: {error}"
                print(f"files {module.FOLDER}: {error}", file=sys.stderr)
    return reasons


def calibration_texts(corpora: Sequence[Path]) -> list[str]:
    """As many of every corpus. Raises InputError if one has too few."""
    share = CALIBRATION_TEXTS // len(corpora)
    texts: list[str] = []
    for path in corpora:
        items = itertools.islice(from_file(path, "text").items, share)
        lines = [item.text for item in items]
        if len(lines) < share:
            raise InputError(f"{path} has {len(lines)} lines; calibrating needs {share}")
        texts += lines
    return texts


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path, help="a directory; what it has already is kept")
    parser.add_argument(
        "--corpus",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="texts to calibrate on, one per line, plain or .gz",
    )
    arguments = parser.parse_args()
    try:
        Checkpoint(arguments.checkpoint)  # an error of ours, before minutes of work
        texts = calibration_texts(arguments.corpus)
        reasons = make_all(arguments.checkpoint, arguments.out, texts)
        with atomic_file(reasons_file(arguments.out)) as partial:
            partial.write_text(
                json.dumps(reasons, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
            )
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
