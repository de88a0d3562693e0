"""What a run found, and the JSON that it is kept as."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ondol.engine import Engine
from ondol.errors import InputError
from ondol.variants import Variant

#: Raised with every change that an older reader would misunderstand.
SCHEMA_VERSION = 1


class Status(Enum):
    """What became of a variant; the value is the word that tables show."""

    OK = "ok"
    STOPPED = "not finished"
    SKIPPED = "skipped"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Latency:
    """Wall-clock time of one text in a call of its own.

    Attributes:
        tokens: of the text, special tokens included.
        p50_ms, p95_ms: median and 95th percentile, milliseconds.
        calls: how many were timed.
    """

    tokens: int
    p50_ms: float
    p95_ms: float
    calls: int


@dataclass(frozen=True)
class Throughput:
    """The mixed workload in one call: the median over the rounds.

    Attributes:
        threads: of the engine; the tokenizer, a small part of the work, uses every processor.
        rounds: how many calls were timed.
    """

    threads: int
    texts_per_second: float
    tokens_per_second: float
    rounds: int


@dataclass(frozen=True)
class Quality:
    """Vectors against the bundle's stored PyTorch float32 vectors, measured in this run.

    Attributes:
        texts: how many were compared.
        mean_cosine, min_cosine: of the angle between the two vectors of a text.
        floor: the smallest min_cosine that the bundle allows.
    """

    texts: int
    mean_cosine: float
    min_cosine: float
    floor: float


@dataclass(frozen=True)
class VariantResult:
    """One variant. What was not measured is None or empty.

    Attributes:
        bytes: of the variant's file.
        problem: why it was skipped or failed, or None.
        quality: see `Quality`.
        cold_start_ms: from the start of a process to its first vector, all load checks included;
            the median over the rounds, milliseconds.
        peak_bytes: the most that a process had resident that loads the variant and embeds the
            mixed workload.
        latency: by length.
        throughput: by number of threads.
    """

    name: Variant
    engine: Engine
    bytes: int
    status: Status
    problem: str | None
    quality: Quality | None
    cold_start_ms: float | None
    peak_bytes: int | None
    latency: tuple[Latency, ...]
    throughput: tuple[Throughput, ...]

    def throughput_at(self, threads: int) -> Throughput | None:
        """The one with so many threads, None if it was not measured."""
        return next((item for item in self.throughput if item.threads == threads), None)


@dataclass(frozen=True)
class BenchReport:
    """A whole run.

    Attributes:
        command: the command line that repeats it.
        measured_at: when it ended, ISO 8601, UTC.
        bundle: the bundle's directory.
        model: source id, layers, dimensions, rows of the vocabulary.
        machine: `ondol.machine.machine_facts`, and the version of ondol.
        threads: of the engine for latency, cold start, memory and quality.
        texts, tokens: of the mixed workload.
        rounds: how many were planned.
        complete: False if the run was stopped.
    """

    command: str
    measured_at: str
    bundle: str
    model: Mapping[str, Any]
    machine: Mapping[str, Any]
    threads: int
    texts: int
    tokens: int
    rounds: int
    complete: bool
    variants: tuple[VariantResult, ...]
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """Two-space indented, with a newline at the end."""
        content = dataclasses.asdict(self)
        for variant, result in zip(content["variants"], self.variants, strict=True):
            names = {"name": result.name, "engine": result.engine, "status": result.status}
            variant |= {field: item.value for field, item in names.items()}
        return json.dumps(content, ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "BenchReport":
        """What `to_json` wrote. Raises InputError for anything else."""
        try:
            content = json.loads(text)
            version = content["schema_version"]
            if version != SCHEMA_VERSION:
                raise InputError(
                    f"the results have schema_version {version!r}, expected {SCHEMA_VERSION}: "
                    "measure again with `ondol bench`"
                )
            variants = tuple(_variant(item) for item in content.pop("variants"))
            return cls(**content, variants=variants)
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"expected what `ondol bench --json` prints, found something else ({error})"
            ) from error


def _variant(content: Mapping[str, Any]) -> VariantResult:
    quality = content["quality"]
    parts = {
        "name": Variant(content["name"]),
        "engine": Engine(content["engine"]),
        "status": Status(content["status"]),
        "quality": None if quality is None else Quality(**quality),
        "latency": tuple(Latency(**item) for item in content["latency"]),
        "throughput": tuple(Throughput(**item) for item in content["throughput"]),
    }
    return VariantResult(**{**content, **parts})
