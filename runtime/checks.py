"""Is this bundle what its manifest says, and does this machine compute what PyTorch computed?"""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ondol.containment import check_inside
from ondol.errors import AgreementError, ChecksumError, InputError, ManifestError
from ondol.files import sha256_of
from ondol.json_files import read_json
from ondol.manifest import Manifest, Parity, VariantRecord
from ondol.runtime.backend import Backend
from ondol.runtime.float_array import read_float32
from ondol.runtime.tokenize import TextTokenizer
from ondol.task import Task


class Check(Enum):
    """How much is checked before the first text.

    FULL: sizes and sha256 of the files in use, agreement of the parts, and a self-test on
    SELF_TEST_TEXTS reference texts. QUICK: the same with sizes alone and one text. OFF: neither
    checksums nor vectors. Whether a file lies inside the bundle, and whether the engine can read
    it without harm, is looked at in any case.
    """

    FULL = "full"
    QUICK = "quick"
    OFF = "off"

    @classmethod
    def parse(cls, name: str) -> "Check":
        """Raises InputError with the names there are."""
        try:
            return cls(name)
        except ValueError:
            known = ", ".join(repr(check.value) for check in cls)
            raise InputError(f"check is {name!r}; expected one of {known}") from None


#: Reference texts that a load embeds: the first ones of the set, which are short on purpose.
SELF_TEST_TEXTS = {Check.FULL: 4, Check.QUICK: 1, Check.OFF: 0}

#: How much further from PyTorch a load may be than the build was on its worst reference text, and
#: how far in any case: processors and engines round differently. The texts of a load are shorter
#: than the worst one, and were half as far. OpenVINO's bfloat16 took the worst 1.1 times as far.
_FURTHER, _ROUNDING = 1.5, 0.001

#: The 64 texts of a reference set have 13 kB.
_MAX_TEXT_BYTES = 2**24


def check_files(bundle: Path, manifest: Manifest, variant: VariantRecord, check: Check) -> None:
    """Compare the files that will be used with the manifest.

    Raises ManifestError for one that leads outside of the bundle, with any check; ChecksumError
    for a missing file or another size or, with Check.FULL, another sha256.
    """
    for record in manifest.files_of([variant]):
        path = bundle / record.path
        check_inside(bundle, record.path)
        if check is Check.OFF:
            continue
        if not path.is_file():
            raise ChecksumError(
                f"{path} is missing; copy or pull the bundle again, or build it with `ondol build`"
            )
        size = path.stat().st_size
        if size != record.bytes:
            raise ChecksumError(
                f"{path} has {size:,} bytes, its manifest says {record.bytes:,}; the file is "
                "damaged or from another build: copy or pull the bundle again"
            )
        if check is Check.FULL and sha256_of(path) != record.sha256:
            raise ChecksumError(
                f"{path} has another sha256 than its manifest says ({record.sha256[:12]}…); the "
                "file is damaged or was changed: copy or pull the bundle again"
            )


def check_agreement(manifest: Manifest, tokenizer: TextTokenizer, backend: Backend) -> None:
    """Raises AgreementError if tokenizer, model and manifest are not of one build."""
    rows = manifest.vocabulary.rows
    for what, found in (
        ("tokenizer.json has {} entries", tokenizer.rows),
        ("the model has {} embedding rows", backend.vocab_rows),
    ):
        if found != rows:
            raise AgreementError(
                f"{what.format(f'{found:,}')} but ondol.json says {rows:,}; the bundle mixes two "
                "builds: run `ondol build` again"
            )
    columns = 1 if manifest.task is Task.RERANK else manifest.architecture.hidden_size
    if backend.columns != columns:
        raise AgreementError(
            f"the model's outputs have {backend.columns} columns but those of ondol.json have "
            f"{columns}; the bundle mixes two builds: run `ondol build` again"
        )


def least_cosine(parity: Parity) -> float:
    """The smallest cosine to a stored vector that a load accepts, at least the variant's floor.

    Floors leave room for other checkpoints. What the build measured on this one says more: with
    products clipped, as a processor without VNNI has them, the onnx-int8 in the package gives
    0.9971, beside 0.9984 as the worst that the build measured, and its floor is 0.99.
    """
    return max(parity.floor, 1 - max(_FURTHER * (1 - parity.min_cosine), _ROUNDING))


def read_reference(bundle: Path, manifest: Manifest) -> tuple[list[str], NDArray[np.float32]]:
    """The reference texts, and their vectors as (texts, hidden_size) float32.

    Raises ManifestError if the two files do not fit each other.
    """
    columns = (manifest.architecture.hidden_size,)
    return _read_reference(bundle, manifest, _is_text, "texts", columns)


def read_reference_pairs(
    bundle: Path, manifest: Manifest
) -> tuple[list[tuple[str, str]], NDArray[np.float32]]:
    """A reranker's reference pairs, and their logits as (pairs,) float32.

    Raises ManifestError if the two files do not fit each other.
    """
    pairs, logits = _read_reference(bundle, manifest, _is_pair, "pairs of texts", ())
    return [(query, document) for query, document in pairs], logits


def _read_reference(
    bundle: Path,
    manifest: Manifest,
    is_input: Callable[[object], bool],
    what: str,
    columns: tuple[int, ...],
) -> tuple[list[Any], NDArray[np.float32]]:
    path = bundle / manifest.reference.texts.path
    try:
        inputs = read_json(path, max_bytes=_MAX_TEXT_BYTES)
    except (OSError, ValueError) as error:
        raise ManifestError(f"cannot read {path}: {error}; copy the bundle again") from error
    if not isinstance(inputs, list) or not inputs or not all(map(is_input, inputs)):
        raise ManifestError(f"{path} is no list of {what}; copy the bundle again")
    vectors = bundle / manifest.reference.vectors.path
    return inputs, _floats(vectors, rows=len(inputs), columns=columns)


def _is_text(value: object) -> bool:
    # JSON can escape a lone surrogate, which is no Unicode text.
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_text, value))


def _floats(path: Path, *, rows: int | None, columns: tuple[int, ...]) -> NDArray[np.float32]:
    """Raises ManifestError."""
    try:
        return read_float32(path, rows=rows, columns=columns)
    except (OSError, ValueError) as error:
        raise ManifestError(f"cannot read {path}: {error}; copy the bundle again") from error


def read_calibration(bundle: Path, manifest: Manifest) -> NDArray[np.float32]:
    """The vectors of the calibration text: (texts, hidden_size) float32.

    Raises InputError if the bundle has none, ManifestError if the file is something else.
    """
    if manifest.calibration is None:
        raise InputError(
            f"{bundle} was built without calibrated ranges, which int8 and uint8 vectors need: "
            "run `ondol build` again, or take precision 'float32', 'binary' or 'ubinary'"
        )
    return _floats(
        bundle / manifest.calibration.path,
        rows=None,
        columns=(manifest.architecture.hidden_size,),
    )
