"""Vectors of the ONNX variants on a processor without VNNI, which an emulator stands in for.

    apt install qemu-user
    python benchmarks/limited_processor.py [BUNDLE] --cpu Haswell

Embeds reference texts in this process, and in one under `qemu-x86_64 -cpu …`, there once as ondol
runs and once with clipped products of bytes (ondol.runtime.int8_products), and prints the smallest
cosines to PyTorch and to this machine's vectors. QEMU 7.2 emulates up to AVX2: AVX-512 without VNNI
is not covered. Times under an emulator say nothing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import write_record

from ondol import Embedder
from ondol.errors import OndolError
from ondol.manifest import Manifest
from ondol.runtime import int8_products, onnx_backend
from ondol.runtime.checks import read_reference
from ondol.runtime.default import default_bundle
from ondol.runtime.similarity import rowwise_cosine


def embed(bundle: Path, variant: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """(texts, dim) float32. Without a load check, which would refuse clipped vectors."""
    with Embedder(bundle, variant=variant, threads=1, check="off") as model:
        return model.encode(texts)


def embed_emulated(
    bundle: Path, variant: str, texts: Sequence[str], cpu: str, *, clipped: bool
) -> tuple[NDArray[np.float32], bool]:
    """The same on an emulated processor, and whether its products of bytes are exact."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        out = Path(folder) / "vectors.npy"
        job.write_text(json.dumps([str(bundle), variant, list(texts), clipped, str(out)]))
        command = ["qemu-x86_64", "-cpu", cpu, sys.executable, __file__, "--job", str(job)]
        # The emulator warns of every feature that it lacks.
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise OSError(f"{cpu}: {done.stderr.strip()[-2000:]}")
        return np.load(out), done.stdout.split()[-1] == "exact"


def run_job(job: Path) -> None:
    """What runs inside the emulator."""
    bundle, variant, texts, clipped, out = json.loads(job.read_text())
    if clipped:
        onnx_backend.make_products_exact = lambda options: None
    np.save(out, embed(Path(bundle), variant, texts))
    print("exact" if int8_products.products_are_exact() else "clipped")


def measure(bundle: Path, cpu: str, count: int) -> list[dict[str, Any]]:
    """One record per ONNX variant and setting."""
    manifest = Manifest.read(bundle)
    texts, expected = read_reference(bundle, manifest)
    texts, expected = texts[:count], expected[:count]
    records = []
    for variant in (r.name.value for r in manifest.variants if r.name.format == "onnx"):
        here = embed(bundle, variant, texts)
        for clipped in (False, True):
            print(f"{variant}, clipped: {clipped}", file=sys.stderr)
            vectors, exact = embed_emulated(bundle, variant, texts, cpu, clipped=clipped)
            records.append(
                {
                    "name": variant,
                    "setting": "products left clipped" if clipped else "as ondol runs",
                    "processor_is_exact": exact,
                    "min_cosine_pytorch": float(rowwise_cosine(vectors, expected).min()),
                    "min_cosine_here": float(rowwise_cosine(vectors, here).min()),
                    "same_bits_as_here": vectors.tobytes() == here.tobytes(),
                }
            )
    return records


def as_text(records: Sequence[Mapping[str, Any]]) -> str:
    """The table for the terminal."""
    lines = [f"{'variant':<10} {'setting':<22} {'PyTorch':>9} {'here':>9}  same bits as here"]
    lines += [
        f"{r['name']:<10} {r['setting']:<22} {r['min_cosine_pytorch']:>9.6f} "
        f"{r['min_cosine_here']:>9.6f}  {'yes' if r['same_bits_as_here'] else 'no'}"
        for r in records
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", nargs="?", type=Path, help="default: the one in the package")
    parser.add_argument("--cpu", default="Haswell", help="as qemu names it (default Haswell)")
    parser.add_argument("--texts", type=int, default=24, help="reference texts (default 24)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        run_job(arguments.job)
        return 0
    try:
        records = measure(arguments.bundle or default_bundle(), arguments.cpu, arguments.texts)
    except (OndolError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(as_text(records))
    if arguments.json:
        write_record(arguments.json, {"cpu": arguments.cpu, "variants": records})
    return 0


if __name__ == "__main__":
    sys.exit(main())
