"""Reads one file in many damaged forms, and prints what became of each: a line of JSON per case.

A program of its own, since an engine that meets a bad file may end its process.

    python tests/fuzz/damage.py DIRECTORY NAME VARIANT CHECK FIRST LAST

VARIANT is a variant of the bundle DIRECTORY, or "input" for a file of texts. Case n is the same on
every machine. DIRECTORY is changed: give it a copy.
"""

import contextlib
import json
import random
import sys
import time
from pathlib import Path

import numpy as np

from ondol.cli.inputs import from_file
from ondol.errors import OndolError
from ondol.files import sha256_of
from ondol.runtime.embedder import Embedder

#: Numbers at which sizes overflow, wrap around or turn negative.
EDGES = (0, 1, 2, 127, 128, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """One to three of: a flipped bit, a number at an edge, bytes lost, repeated, or cut off."""
    result = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(max(1, len(result)))
        width = rng.choice((1, 2, 4, 8))
        match rng.randrange(8):
            case 0 | 1 | 2 if result:
                result[at] ^= 1 << rng.randrange(8)
            case 3 | 4:
                edge = rng.choice(EDGES) % (1 << 8 * width)
                result[at : at + width] = edge.to_bytes(width, "little")
            case 5:
                del result[at : at + width]
            case 6:
                result[at:at] = result[at : at + 4 * width]
            case _:
                del result[at + rng.randrange(64) :]
    return bytes(result)


def record_again(bundle: Path, name: str) -> None:
    """Make the manifest fit the damaged file, as an attacker would."""
    manifest = json.loads((bundle / "ondol.json").read_text(encoding="utf-8"))
    records = [manifest["tokenizer"], manifest["calibration"], *manifest["variants"]]
    records += [manifest["reference"]["texts"], manifest["reference"]["vectors"]]
    for record in records:
        if record["path"] == name:
            record["bytes"] = (bundle / name).stat().st_size
            record["sha256"] = sha256_of(bundle / name)
    (bundle / "ondol.json").write_text(json.dumps(manifest), encoding="utf-8")


def outcome(directory: Path, name: str, variant: str, check: str) -> str:
    """The class of ondol's error, or "read"; raises whatever else comes."""
    try:
        if variant == "input":
            for _ in from_file(directory / name, "text").items:
                pass
            return "read"
        with Embedder(directory, variant=variant, check=check, threads=1) as embedder:
            vectors = embedder.encode(["한국 ab", "a"])
            embedder.encode("a", precision="int8")
        assert vectors.shape == (2, 32), vectors.shape
        assert np.isfinite(vectors).all()
    except OndolError as error:
        return type(error).__name__
    return "read"


def main() -> None:
    folder, name, variant, check, first, last = sys.argv[1:]
    directory = Path(folder)
    original = (directory / name).read_bytes()
    for case in range(int(first), int(last)):
        (directory / name).write_bytes(damaged(original, random.Random(f"{name} {case}")))
        if variant != "input" and name != "ondol.json":
            record_again(directory, name)
        print(json.dumps({"case": case}), flush=True)
        start = time.monotonic()
        found = outcome(directory, name, variant, check)
        print(
            json.dumps({"case": case, "found": found, "seconds": time.monotonic() - start}),
            flush=True,
        )


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
