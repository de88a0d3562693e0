"""From a checkpoint to a bundle: prune, export, quantize, measure, write."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ondol import __version__
from ondol.checkpoint import Checkpoint
from ondol.convert.card import model_card
from ondol.convert.encoder_graph import check_float_size
from ondol.convert.export import Exporter
from ondol.convert.floors import MAX_MEAN_SCORE_ERROR, MIN_COSINE
from ondol.convert.reference import reference_pairs, reference_texts, write_reference
from ondol.errors import InputError, ParityError
from ondol.files import atomic_directory
from ondol.hub.checkpoints import Resolved, resolve
from ondol.manifest import (
    FILE_NAME,
    SCHEMA_VERSION,
    FileRecord,
    Manifest,
    Parity,
    ScoreParity,
    Source,
    VariantRecord,
    Vocabulary,
)
from ondol.runtime.checks import Check
from ondol.runtime.kinds import class_of
from ondol.runtime.parity import measure
from ondol.stage import ReportStage
from ondol.task import Task
from ondol.variants import Variant
from ondol.vocab_prune.prune import PruneOptions, PruneReport, prune
from ondol.vocab_prune.rewrite import write_pruned_checkpoint
from ondol.vocab_prune.unigram import UnigramVocabulary
from ondol.vocab_prune.verify import verification_lines


@dataclass(frozen=True)
class BuildOptions:
    """What to build.

    Attributes:
        source: a checkpoint directory or a hub id.
        out: the bundle's directory; must not exist, or be empty.
        revision: of a hub id.
        prune: which pieces to keep; None keeps the whole vocabulary.
        variants: which forms the bundle gets.
        prompts: by name, instead of those that the checkpoint states.

    Raises InputError if variants is empty.
    """

    source: str
    out: Path
    revision: str | None = None
    prune: PruneOptions | None = field(default_factory=PruneOptions)
    variants: tuple[Variant, ...] = tuple(Variant)
    prompts: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.variants:
            raise InputError("no variant to build; name at least one")


@dataclass(frozen=True)
class BuildReport:
    """What was built.

    Attributes:
        manifest: as written to the bundle.
        prune: the first stage's report, or None with the whole vocabulary.
        source_bytes: the checkpoint's weights and tokenizer.
    """

    manifest: Manifest
    prune: PruneReport | None
    source_bytes: int


def build(options: BuildOptions, report_stage: ReportStage = lambda stage: None) -> BuildReport:
    """Build a bundle. It appears whole or not at all; the same input gives the same bytes.

    `report_stage` is called with what begins.

    Raises:
        CheckpointError: the source is not supported.
        DownloadError: the hub does not give it.
        InputError: `out` exists, or a corpus cannot be read.
        ParityError: a variant is below its floor (see `ondol.convert.floors`).
        ConversionError: another stage failed.
        MissingDependencyError: a package of the extra `convert` is not installed.
    """
    report_stage(f"reading {options.source}")
    resolved = resolve(options.source, options.revision)
    original = Checkpoint(resolved.directory)
    if original.task is Task.RERANK and options.prompts:
        raise InputError(f"{options.source} is a reranker, which takes no prompts; leave them out")
    with atomic_directory(options.out) as bundle:
        work = bundle / ".work"
        work.mkdir()
        pruned, prune_report = _prune(original, work / "checkpoint", options.prune, report_stage)
        if Variant.ONNX_FP32 in options.variants:
            check_float_size(pruned.architecture)
        manifest = _begin(original, resolved, pruned, prune_report, options, bundle, report_stage)
        manifest = _export(pruned, manifest, options.variants, bundle, work, report_stage)
        _remove(work)
        manifest = _measure(manifest, bundle, report_stage)
        report_stage("loading every variant with all checks")
        for record in manifest.variants:
            class_of(manifest).of_unfinished(
                bundle, manifest, record.name, check=Check.FULL.value
            ).close()
        (bundle / "README.md").write_text(model_card(manifest), encoding="utf-8")
        # Last: without it the directory is no bundle.
        (bundle / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return BuildReport(manifest, prune_report, sum(r.bytes for r in manifest.source.files))


def _prune(
    original: Checkpoint, out: Path, options: PruneOptions | None, report_stage: ReportStage
) -> tuple[Checkpoint, PruneReport | None]:
    """The checkpoint with as many rows as its tokenizer has entries, or fewer."""
    if options is not None:
        report = prune(original, out, options, report_stage)
        return Checkpoint(out), report
    report_stage("keeping the whole vocabulary")
    out.mkdir()
    entries = len(UnigramVocabulary.from_json(original.tokenizer()))
    write_pruned_checkpoint(original, range(entries), out)
    return Checkpoint(out), None


def _begin(
    original: Checkpoint,
    resolved: Resolved,
    pruned: Checkpoint,
    prune_report: PruneReport | None,
    options: BuildOptions,
    bundle: Path,
    report_stage: ReportStage,
) -> Manifest:
    """The manifest without variants; writes tokenizer and reference set."""
    tokenizer_path = bundle / "tokenizer.json"
    tokenizer_path.write_bytes((pruned.directory / "tokenizer.json").read_bytes())
    prompts = original.prompts.by_name if options.prompts is None else options.prompts
    written = write_reference(pruned, prompts, bundle, report_stage)
    used = [*original.weight_files(), original.tokenizer_file]
    used.append(original.directory / "config.json")
    return Manifest(
        schema_version=SCHEMA_VERSION,
        ondol_version=__version__,
        source=Source(
            id=resolved.id,
            revision=resolved.revision,
            files=tuple(FileRecord.of(path, original.directory) for path in sorted(used)),
        ),
        architecture=pruned.architecture,
        pooling=pruned.pooling,
        normalize=pruned.normalize,
        prompts=prompts,
        prompts_source=original.prompts.source if options.prompts is None else "given",
        vocabulary=_vocabulary(original, pruned, prune_report),
        tokenizer=FileRecord.of(tokenizer_path, bundle),
        reference=written.reference,
        variants=(),
        calibration=written.calibration,
        task=pruned.task,
        activation=pruned.activation,
    )


def _vocabulary(original: Checkpoint, pruned: Checkpoint, report: PruneReport | None) -> Vocabulary:
    fidelity: dict[str, Any] = {}
    if report is not None:
        fidelity = {language: asdict(counts) for language, counts in report.fidelity.items()}
    return Vocabulary(
        rows=pruned.architecture.vocab_rows,
        source_rows=original.architecture.vocab_rows,
        rule="whole vocabulary" if report is None else report.rule,
        fidelity=fidelity,
    )


def _export(
    checkpoint: Checkpoint,
    manifest: Manifest,
    variants: Sequence[Variant],
    bundle: Path,
    work: Path,
    report_stage: ReportStage,
) -> Manifest:
    """Write the variants' files, in the order of the enumeration. Their parity is still unknown."""
    lines = [line for group in verification_lines().values() for line in group]
    if checkpoint.task is Task.RERANK:
        texts = [text for pair in reference_pairs() for text in pair]
    else:
        texts = reference_texts()
    exporter = Exporter(checkpoint, manifest.source.id, [*texts, *lines], work)
    records = []
    for variant in (variant for variant in Variant if variant in variants):
        report_stage(f"writing {variant}")
        path = bundle / variant.path
        path.parent.mkdir(exist_ok=True)
        scheme = exporter.write(variant, path)
        written = FileRecord.of(path, bundle)
        unknown: Parity | ScoreParity = Parity(0, 0.0, 0.0, 0.0, MIN_COSINE[variant], 0)
        if checkpoint.task is Task.RERANK:
            unknown = ScoreParity(0, 0.0, 0.0, 0.0, 0.0, MAX_MEAN_SCORE_ERROR[variant], 0)
        records.append(
            VariantRecord(variant, written.path, written.bytes, written.sha256, scheme, unknown)
        )
    return replace(manifest, variants=tuple(records))


def _measure(manifest: Manifest, bundle: Path, report_stage: ReportStage) -> Manifest:
    """Fill in every variant's parity, through the runtime. Raises ParityError beyond its limit."""
    records = []
    for record in manifest.variants:
        report_stage(f"measuring {record.name}")
        with class_of(manifest).of_unfinished(
            bundle, manifest, record.name, check=Check.OFF.value
        ) as model:
            measured = measure(model)
        if (problem := measured.problem(record)) is not None:
            raise ParityError(
                f"{record.name} has {problem}. Nothing was written: leave the variant out with "
                "--variants, or report the checkpoint"
            )
        records.append(replace(record, parity=measured.recorded(record)))
    return replace(manifest, variants=tuple(records))


def _remove(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    directory.rmdir()
