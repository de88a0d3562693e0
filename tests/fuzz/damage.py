"""Reads one file in many damaged forms, and prints what became of each: a line of JSON per case.

A program of its own, since an engine that meets a bad file may end its process.

    python tests/fuzz/damage.py DIRECTORY NAMES READER CHECK FIRST LAST

NAMES are files of DIRECTORY with commas between, damaged in turns.

READER is a variant of the bundle DIRECTORY; "rerank:" before it if that is a reranker's; "texts"
for a file of texts, "index" for a search index, "checkpoint" for a checkpoint. Case n is the same
on every machine. DIRECTORY is changed: give it a copy.
"""

import contextlib
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ondol.checkpoint import Checkpoint
from ondol.cli.inputs import from_file
from ondol.errors import OndolError
from ondol.files import sha256_of
from ondol.runtime.embedder import Embedder
from ondol.runtime.reranker import Reranker
from ondol.search import Index
from ondol.testing import FakeEmbedder
from ondol.vocab_prune.rewrite import write_pruned_checkpoint
from ondol.vocab_prune.unigram import UnigramVocabulary

#: Numbers at which sizes overflow, wrap around or turn negative.
EDGES = (0, 1, 2, 127, 128, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)


#: What a value of JSON is replaced by.
ODD = """
    null true -1 0 1.5 2147483648 9223372036854775808 1e308
    "" "a" "../a" "\\ud800" [] [[]] {} {"a":1}
"""


def damaged_file(content: bytes, name: str, rng: random.Random) -> bytes:
    """Of JSON half the time still JSON, with a value of another kind."""
    if name.endswith(".json") and rng.random() < 0.5:
        root = [json.loads(content)]
        for _ in range(rng.randint(1, 2)):
            replace_value(root, rng)
        return json.dumps(root[0]).encode()
    return damaged(content, rng)


def replace_value(root: list[Any], rng: random.Random) -> None:
    """Go down from a list of one value to a place at random, and change what stands there."""
    here: Any = root
    while True:
        place = rng.choice(list(here) if isinstance(here, dict) else range(len(here)))
        inner = here[place]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.1:
            break
        here = inner
    if isinstance(here, dict) and rng.random() < 0.2:
        del here[place]
    else:
        here[place] = json.loads(rng.choice(ODD.split()))


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
    for record in filter(None, records):
        if record["path"] == name:
            record["bytes"] = (bundle / name).stat().st_size
            record["sha256"] = sha256_of(bundle / name)
    (bundle / "ondol.json").write_text(json.dumps(manifest), encoding="utf-8")


def outcome(directory: Path, name: str, reader: str, check: str) -> str:
    """The class of ondol's error, or "read"; raises whatever else comes."""
    kind, _, variant = reader.rpartition(":")
    try:
        match kind or variant:
            case "texts":
                for _ in from_file(directory / name, "text").items:
                    pass
            case "index":
                read_index(directory / name)
            case "checkpoint":
                read_checkpoint(directory)
            case "rerank":
                rerank(directory, variant, check)
            case _:
                embed(directory, variant, check)
    except OndolError as error:
        return type(error).__name__
    return "read"


def embed(bundle: Path, variant: str, check: str) -> None:
    """Load an encoder, and compute."""
    with Embedder(bundle, variant=variant, check=check, threads=1) as embedder:
        vectors = embedder.encode(["한국 ab", "a"])
        embedder.encode("a", precision="int8")
    assert vectors.shape == (2, 32), vectors.shape
    assert np.isfinite(vectors).all()


def rerank(bundle: Path, variant: str, check: str) -> None:
    """Load a reranker, and compute."""
    with Reranker(bundle, variant=variant, check=check, threads=1) as reranker:
        scores = reranker.predict([("한국", "ab"), ("a", "b")])
    assert scores.shape == (2,), scores.shape
    assert np.isfinite(scores).all()


def read_index(path: Path) -> None:
    """Search an index."""
    with Index.open(path, FakeEmbedder(dimension=8, prompts={})) as index:
        for hit in index.search("국내 여행"):
            assert hit.path.is_relative_to(path.parent / "documents"), hit.path
        index.stats()


def read_checkpoint(directory: Path) -> None:
    """What a build without pruning reads of a checkpoint, and writes anew."""
    source = Checkpoint(directory)
    entries = len(UnigramVocabulary.from_json(source.tokenizer()))
    with tempfile.TemporaryDirectory() as out:
        write_pruned_checkpoint(source, range(entries), Path(out))
        Checkpoint(Path(out)).encoder_weights()


def main() -> None:
    folder, names, reader, check, first, last = sys.argv[1:]
    directory = Path(folder)
    files = {file: (directory / file).read_bytes() for file in names.split(",")}
    for case in range(int(first), int(last)):
        name = list(files)[case % len(files)]
        for file, content in files.items():
            (directory / file).write_bytes(content)
        original = files[name]
        (directory / name).write_bytes(
            damaged_file(original, name, random.Random(f"{name} {case}"))
        )
        if (directory / "ondol.json").is_file() and name != "ondol.json":
            record_again(directory, name)
        print(json.dumps({"case": case}), flush=True)
        start = time.monotonic()
        found = outcome(directory, name, reader, check)
        print(
            json.dumps({"case": case, "found": found, "seconds": time.monotonic() - start}),
            flush=True,
        )


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
