"""Fuzzing led by coverage: atheris changes inputs so that they reach new lines of a reader.

    python tests/fuzz/guided.py READER --seconds 60 --seeds FILE ...

Ends with an error, and the input beside it in the current folder, when a reader raises anything but
what it promises, or takes more than 20 seconds or 2 GB.
"""

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ondol"]):
    from ondol.errors import BundleError, InputError
    from ondol.json_files import read_json
    from ondol.manifest import FILE_NAME, Manifest
    from ondol.records import binary_lines, csv_records, json_records
    from ondol.runtime.float_array import read_float32
    from ondol.runtime.gguf_check import check_gguf
    from ondol.runtime.onnx_check import check_onnx

_NAME = "a"


def _jsonl(path: Path) -> None:
    with path.open("rb") as file:
        lines = (line.decode("utf-8", "surrogateescape") for line in binary_lines(file, _NAME))
        for _ in json_records(lines, ["text"]):
            pass


def _csv(path: Path) -> None:
    with path.open("rb") as file:
        lines = (line.decode("utf-8", "surrogateescape") for line in binary_lines(file, _NAME))
        for _ in csv_records(lines, _NAME, ["text"], ","):
            pass


#: What reads a file, the name that the file needs, and what it may raise.
READERS: dict[str, tuple[Callable[[Path], object], str, tuple[type[Exception], ...]]] = {
    "json": (lambda path: read_json(path, max_bytes=2**20), _NAME, (ValueError,)),
    "manifest": (lambda path: Manifest.read(path.parent), FILE_NAME, (BundleError,)),
    "npy": (lambda path: read_float32(path, rows=None, columns=(32,)), _NAME, (ValueError,)),
    "onnx": (check_onnx, _NAME, (BundleError,)),
    "gguf": (check_gguf, _NAME, (BundleError,)),
    "jsonl": (_jsonl, _NAME, (InputError,)),
    "csv": (_csv, _NAME, (InputError,)),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seeds", type=Path, nargs="*", default=())
    args = parser.parse_args()
    read, name, promised = READERS[args.reader]
    # Not a context manager: the fuzzer ends the process.
    folder = Path(tempfile.mkdtemp(prefix="ondol-fuzz-"))
    (folder / "corpus").mkdir()
    for number, seed in enumerate(args.seeds):
        shutil.copyfile(seed, folder / "corpus" / str(number))
    longest = max([4096, *(2 * seed.stat().st_size for seed in args.seeds)])

    def once(content: bytes) -> None:
        (folder / name).write_bytes(content)
        with contextlib.suppress(*promised):
            read(folder / name)

    options = (
        f"-max_total_time={args.seconds}",
        f"-max_len={longest}",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    )
    atheris.Setup([sys.argv[0], str(folder / "corpus"), *options], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
