"""Is this bundle what its manifest says, and does this machine compute what PyTorch computed?"""

import json
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ondol.errors import AgreementError, ChecksumError, InputError, ManifestError
from ondol.files import sha256_of
from ondol.manifest import Manifest, VariantRecord
from ondol.runtime.backend import Backend
from ondol.runtime.tokenize import TextTokenizer


class Check(Enum):
    """How much is checked before the first text.

    FULL: sizes and sha256 of the files in use, agreement of the parts, and a self-test on
    SELF_TEST_TEXTS reference texts. QUICK: the same with sizes alone and one text. OFF: nothing.
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


def check_files(bundle: Path, manifest: Manifest, variant: VariantRecord, check: Check) -> None:
    """Compare the files that will be used with the manifest.

    Raises ChecksumError for a missing file or another size or, with Check.FULL, another sha256.
    """
    if check is Check.OFF:
        return
    for record in manifest.files_of([variant]):
        path = bundle / record.path
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
    if backend.hidden_size != manifest.architecture.hidden_size:
        raise AgreementError(
            f"the model's vectors have {backend.hidden_size} columns but ondol.json says "
            f"{manifest.architecture.hidden_size}; the bundle mixes two builds: run `ondol build` "
            "again"
        )


def read_reference(bundle: Path, manifest: Manifest) -> tuple[list[str], NDArray[np.float32]]:
    """The reference texts, and their vectors as (texts, hidden_size) float32.

    Raises ManifestError if the two files do not fit each other.
    """
    try:
        texts = json.loads((bundle / manifest.reference.texts.path).read_text(encoding="utf-8"))
        vectors = np.load(bundle / manifest.reference.vectors.path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ManifestError(f"cannot read the reference set of {bundle}: {error}") from error
    expected = (len(texts), manifest.architecture.hidden_size)
    if vectors.shape != expected or vectors.dtype != np.float32:
        raise ManifestError(
            f"the reference vectors of {bundle} are {vectors.shape} {vectors.dtype}; expected "
            f"{expected} float32: copy the bundle again"
        )
    return texts, vectors


def read_calibration(bundle: Path, manifest: Manifest) -> NDArray[np.float32]:
    """The vectors of the calibration text: (texts, hidden_size) float32.

    Raises InputError if the bundle has none, ManifestError if the file is something else.
    """
    if manifest.calibration is None:
        raise InputError(
            f"{bundle} was built without calibrated ranges, which int8 and uint8 vectors need: "
            "run `ondol build` again, or take precision 'float32', 'binary' or 'ubinary'"
        )
    path = bundle / manifest.calibration.path
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ManifestError(f"cannot read {path}: {error}") from error
    columns = manifest.architecture.hidden_size
    if vectors.ndim != 2 or not len(vectors) or vectors.shape[1] != columns:
        raise ManifestError(
            f"{path} holds an array of shape {vectors.shape}; expected one row per text, of "
            f"{columns} columns: copy the bundle again"
        )
    return np.asarray(vectors, dtype=np.float32)
