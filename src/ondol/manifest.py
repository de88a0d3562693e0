"""ondol.json: what a bundle holds, where it came from and how exact it was measured to be."""

import dataclasses
import json
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from ondol.checkpoint import Activation, Architecture, Pooling
from ondol.containment import check_inside
from ondol.errors import BundleNotFoundError, ManifestError, VariantError
from ondol.files import sha256_of
from ondol.json_files import read_json
from ondol.task import Task
from ondol.variants import Variant

#: Raised with every change that an older reader would misunderstand. 2 brought rerankers.
SCHEMA_VERSION = 2
#: Those that this reader understands.
_READABLE = (1, SCHEMA_VERSION)

FILE_NAME = "ondol.json"

#: Far more than any manifest has: the fidelity of a pruned vocabulary and a dozen variants are
#: some 30 kB.
_MAX_BYTES = 2**24
#: Sizes above are no encoder's, and memory would be taken for them before a file was compared.
_MAX_SIZE = 2**31 - 1


@dataclass(frozen=True)
class FileRecord:
    """A file by its path relative to the directory it was recorded in."""

    path: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, directory: Path) -> "FileRecord":
        return cls(path.relative_to(directory).as_posix(), path.stat().st_size, sha256_of(path))


@dataclass(frozen=True)
class Source:
    """The checkpoint that a bundle was built from.

    Attributes:
        id: hub id or directory name.
        revision: the hub's commit, or None for a directory.
        files: the files that the build read, as they were.
    """

    id: str
    revision: str | None
    files: tuple[FileRecord, ...]


@dataclass(frozen=True)
class Vocabulary:
    """What became of the vocabulary.

    Attributes:
        rows: entries of the bundle's tokenizer and rows of every variant's word embedding.
        source_rows: rows of the checkpoint's word embedding.
        rule: how the kept pieces were chosen, in words.
        fidelity: the pruner's own verification, by language; empty if nothing was pruned.
    """

    rows: int
    source_rows: int
    rule: str
    fidelity: Mapping[str, Any]


@dataclass(frozen=True)
class Parity:
    """A variant's vectors against PyTorch float32, over the reference texts, before rounding.

    Attributes:
        texts: how many texts were compared.
        mean_cosine, min_cosine: of the angle between the two vectors of a text.
        max_abs_difference: the largest difference of any element.
        floor: the smallest min_cosine that the build accepts, and the self-test at load.
        worst_text: index of the reference text with min_cosine.
    """

    texts: int
    mean_cosine: float
    min_cosine: float
    max_abs_difference: float
    floor: float
    worst_text: int


@dataclass(frozen=True)
class ScoreParity:
    """A reranker variant's logits against PyTorch float32, over the reference pairs.

    Errors are stated in spreads: the standard deviation of PyTorch's logits over the pairs. A
    logit has no unit of its own, and its sigmoid hides errors at both ends.

    Attributes:
        pairs: how many pairs were compared.
        correlation: Pearson's, of the two logits.
        mean_error, max_error: difference of the two logits of a pair, in spreads.
        max_abs_difference: the largest difference, as it is.
        ceiling: the largest mean_error that the build accepts. (Single pairs, near the step from no
            to yes, scatter too widely to tell a coarse file from a wrong one.)
        worst_pair: index of the reference pair with max_error.
    """

    pairs: int
    correlation: float
    mean_error: float
    max_error: float
    max_abs_difference: float
    ceiling: float
    worst_pair: int


@dataclass(frozen=True)
class VariantRecord:
    """One form of the model.

    Attributes:
        scheme: how the numbers are stored and computed; for GGUF with the type that each group of
            tensors really has, and the agreement of llama.cpp's tokenizer with `tokenizers`.
    """

    name: Variant
    path: str
    bytes: int
    sha256: str
    scheme: Mapping[str, Any]
    parity: Parity | ScoreParity

    @property
    def vector_parity(self) -> Parity:
        """Of an encoder's variant. Raises ManifestError if it is a reranker's."""
        return _of_kind(Parity, self)

    @property
    def score_parity(self) -> ScoreParity:
        """Of a reranker's variant. Raises ManifestError if it is an encoder's."""
        return _of_kind(ScoreParity, self)


@dataclass(frozen=True)
class Reference:
    """What is right: inputs as given to the tokenizer, and PyTorch's float32 output for them.

    Attributes:
        texts: a JSON list of strings, prompts included; of a reranker, of [query, document].
        vectors: a .npy array, (texts, hidden_size) float32; of a reranker (pairs,), the logits.
        engine: the library and version that computed them.
    """

    texts: FileRecord
    vectors: FileRecord
    engine: str


@dataclass(frozen=True)
class Manifest:
    """The content of ondol.json.

    Attributes:
        calibration: a .npy array, (texts, hidden_size) float32, PyTorch's vectors of the text by
            which the ranges of int8 vectors are chosen; None in bundles of before there were any,
            and of a reranker.
        activation: what a reranker does to its logits; None for an encoder.
    """

    schema_version: int
    ondol_version: str
    source: Source
    architecture: Architecture
    pooling: Pooling
    normalize: bool
    prompts: Mapping[str, str]
    prompts_source: str
    vocabulary: Vocabulary
    tokenizer: FileRecord
    reference: Reference
    variants: tuple[VariantRecord, ...]
    calibration: FileRecord | None = None
    task: Task = Task.EMBED
    activation: Activation | None = None

    def variant(self, wanted: Variant) -> VariantRecord:
        """The record of `wanted`. Raises VariantError with the variants there are."""
        for record in self.variants:
            if record.name is wanted:
                return record
        held = ", ".join(record.name.value for record in self.variants)
        raise VariantError(f"the bundle has no variant {wanted}; it holds {held}")

    def files_of(self, variants: Iterable[VariantRecord]) -> tuple[FileRecord, ...]:
        """All files that a bundle needs to run these variants; ondol.json is not among them."""
        return (
            self.tokenizer,
            self.reference.texts,
            self.reference.vectors,
            *((self.calibration,) if self.calibration is not None else ()),
            *(FileRecord(variant.path, variant.bytes, variant.sha256) for variant in variants),
        )

    def to_json(self) -> str:
        return json.dumps(_plain(self), ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def read(cls, bundle: Path) -> "Manifest":
        """Read a bundle's manifest.

        Raises BundleNotFoundError if there is none, ManifestError if it cannot be understood.
        """
        path = bundle / FILE_NAME
        check_inside(bundle, FILE_NAME)
        if not path.is_file():
            what = "has no ondol.json" if bundle.is_dir() else "is not a directory"
            raise BundleNotFoundError(
                f"{bundle} {what}; expected a bundle, as `ondol build` and `ondol pull` write it"
            )
        try:
            content = read_json(path, max_bytes=_MAX_BYTES)
        except (OSError, ValueError) as error:
            raise ManifestError(f"cannot read {path}: {error}; copy the bundle again") from error
        version = content.get("schema_version") if isinstance(content, dict) else None
        if type(version) is not int or version not in _READABLE:
            raise ManifestError(
                f"{path} has schema_version {version!r:.80}; this version of ondol reads "
                f"{' and '.join(map(str, _READABLE))}: update ondol, or build the bundle again"
            )
        manifest = _typed(cls, content, str(path))
        assert isinstance(manifest, cls)
        if not manifest.variants:
            raise ManifestError(f"{path}: variants is empty; build the bundle again")
        reranks = manifest.task is Task.RERANK
        if reranks is not (manifest.activation is not None):
            raise ManifestError(
                f"{path}: task {manifest.task} does not go with activation "
                f"{manifest.activation}; build the bundle again"
            )
        kind = ScoreParity if reranks else Parity
        for record in manifest.variants:
            _of_kind(kind, record)
        _check_sizes(manifest, path)
        _check_names(manifest, path)
        return manifest


_Kind = TypeVar("_Kind")


def _of_kind(kind: type[_Kind], record: VariantRecord) -> _Kind:
    if not isinstance(record.parity, kind):
        raise ManifestError(
            f"parity of the variant {record.name} is {type(record.parity).__name__}, expected "
            f"{kind.__name__}; build the bundle again"
        )
    return record.parity


def _check_sizes(manifest: Manifest, path: Path) -> None:
    """Raises ManifestError for sizes that no encoder has."""
    arch = manifest.architecture
    sizes = {
        "architecture.layers": arch.layers,
        "architecture.hidden_size": arch.hidden_size,
        "architecture.heads": arch.heads,
        "architecture.intermediate_size": arch.intermediate_size,
        "architecture.vocab_rows": arch.vocab_rows,
        "architecture.position_rows": arch.position_rows,
        "architecture.type_rows": arch.type_rows,
        "architecture.max_tokens": arch.max_tokens,
        "vocabulary.rows": manifest.vocabulary.rows,
    }
    for name, size in sizes.items():
        if not 1 <= size <= _MAX_SIZE:
            raise ManifestError(
                f"{path}.{name}: expected a size from 1 to {_MAX_SIZE:,}, found {size:,}; build "
                "the bundle again"
            )
    if not 0 <= arch.first_position <= arch.position_rows - arch.max_tokens:
        raise ManifestError(
            f"{path}.architecture: {arch.max_tokens:,} tokens from position "
            f"{arch.first_position:,} do not fit {arch.position_rows:,} positions; build the "
            "bundle again"
        )


def _check_names(manifest: Manifest, path: Path) -> None:
    """Raises ManifestError if two variants have one name, or two files one path."""
    names = [record.name.value for record in manifest.variants]
    files = [record.path for record in manifest.files_of(manifest.variants)]
    for what, values in (("variants have the name", names), ("files have the path", files)):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ManifestError(f"{path}: two {what} {twice[0]!r}; build the bundle again")


def _plain(value: Any) -> Any:
    """Dataclasses, enums and tuples as JSON has them."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


#: Names in a bundle need no others. Colons and backslashes lead elsewhere on Windows; a zero byte
#: ends a path early for an engine written in C.
_PATH = re.compile(r"[\w.+ -]{1,100}(/[\w.+ -]{1,100}){0,8}")


def _stays_inside(path: str) -> bool:
    return bool(_PATH.fullmatch(path)) and not {".", ".."} & set(path.split("/"))


def _alternative(kinds: Sequence[Any], value: Any) -> Any:
    """The dataclass that shares most names with an object; the only kind if there is one."""

    def shared(kind: Any) -> int:
        return sum(field.name in value for field in dataclasses.fields(kind))

    return max(kinds, key=shared) if len(kinds) > 1 and isinstance(value, dict) else kinds[0]


def _typed(kind: Any, value: Any, where: str) -> Any:
    """`value`, as JSON gave it, as the type `kind`. Raises ManifestError that names the place."""

    def mismatch(expected: str) -> ManifestError:
        return ManifestError(
            f"{where}: expected {expected}, found {value!r:.80}; build the bundle again"
        )

    if kind is Any:
        return value
    origin = typing.get_origin(kind)
    if origin is types.UnionType:
        if value is None and type(None) in typing.get_args(kind):
            return None
        kinds = [arg for arg in typing.get_args(kind) if arg is not type(None)]
        return _typed(_alternative(kinds, value), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise mismatch("a list")
        item_kind = typing.get_args(kind)[0]
        return tuple(_typed(item_kind, item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise mismatch("an object")
        item_kind = typing.get_args(kind)[1]
        return {key: _typed(item_kind, item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise mismatch("an object")
        hints = typing.get_type_hints(kind)
        fields = {}
        for field in dataclasses.fields(kind):
            if field.name in value:
                place = f"{where}.{field.name}"
                fields[field.name] = _typed(hints[field.name], value[field.name], place)
            elif field.default is dataclasses.MISSING:
                raise ManifestError(f"{where} lacks {field.name!r}; build the bundle again")
        if "path" in fields and not _stays_inside(fields["path"]):
            raise ManifestError(
                f"{where}.path is {fields['path']!r:.200}; a bundle's files lie inside its "
                "directory"
            )
        return typing.cast(type[Any], kind)(**fields)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            raise mismatch("one of " + ", ".join(item.value for item in kind)) from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise mismatch(kind.__name__)
    return value
