"""The first stage as a whole: count, select, rewrite, verify."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ondol.checkpoint import Checkpoint
from ondol.errors import InputError
from ondol.files import atomic_directory
from ondol.stage import ReportStage
from ondol.vocab_prune.alphabet import alphabet_pieces, check_languages
from ondol.vocab_prune.count import count_files
from ondol.vocab_prune.keeplist import corpus_rates, default_rates, merge_rates
from ondol.vocab_prune.rewrite import write_pruned_checkpoint
from ondol.vocab_prune.select import DEFAULT_SIZE, Rates, Selection, select
from ondol.vocab_prune.unigram import UnigramVocabulary, load_tokenizer
from ondol.vocab_prune.verify import Comparison, Fidelity, verification_lines


@dataclass(frozen=True)
class PruneOptions:
    """Which pieces to keep.

    Attributes:
        languages: of "ko" and "en", at least one.
        vocab_size: the most rows, special tokens included.
        corpora: the user's own text, one text per line, counted in addition to the default counts.
        corpus_only: use the user's text instead of the default counts; needs corpora.

    Raises InputError for an unknown language.
    """

    languages: tuple[str, ...] = ("en", "ko")
    vocab_size: int = DEFAULT_SIZE
    corpora: tuple[Path, ...] = ()
    corpus_only: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "languages", check_languages(self.languages))


@dataclass(frozen=True)
class PruneReport:
    """What a prune did.

    Attributes:
        selection: the kept ids, and how many by which rule.
        source_rows: rows of the checkpoint's word embedding; it may have more than the tokenizer.
        fidelity: segmentation before and after on the lines inside the package, by ISO 639-1 code:
            the kept languages, and those that lose.
        bytes_before, bytes_after: weights and tokenizer.
        left_out: files of the source that were not taken along.
        rule: how the pieces were chosen, in words.
    """

    selection: Selection
    source_rows: int
    fidelity: Mapping[str, Fidelity]
    bytes_before: int
    bytes_after: int
    left_out: tuple[str, ...]
    rule: str


def prune(
    source: Checkpoint,
    out: Path,
    options: PruneOptions,
    report_stage: ReportStage = lambda stage: None,
) -> PruneReport:
    """Write the checkpoint `source` with a smaller vocabulary to the new directory `out`.

    `out` is a checkpoint that transformers and sentence-transformers load. It appears whole or not
    at all. `report_stage` is called with what begins.

    Raises:
        InputError: `out` exists, a corpus cannot be read, or the options do not fit the model.
        CheckpointError: the source is not of a kind that can be pruned.
        ConversionError: the result would not be right.
        MissingDependencyError: torch or safetensors is not installed.
    """
    tokenizer = source.tokenizer()
    vocabulary = UnigramVocabulary.from_json(tokenizer)
    report_stage("choosing the pieces to keep")
    rates = _rates(source, vocabulary, options)
    alphabet = alphabet_pieces(vocabulary, options.languages)
    selection = select(vocabulary, alphabet, rates, options.vocab_size)
    with atomic_directory(out) as partial:
        report_stage(f"writing {len(selection.kept):,} of {len(vocabulary):,} rows")
        left_out = write_pruned_checkpoint(source, selection.kept, partial)
        report_stage("comparing the segmentation")
        pruned = json.loads((partial / "tokenizer.json").read_text(encoding="utf-8"))
        comparison = Comparison(tokenizer, pruned, selection.kept)
        fidelity = {
            language: comparison.measure(lines) for language, lines in verification_lines().items()
        }
        before = [*source.weight_files(), source.tokenizer_file]
        after = [partial / "model.safetensors", partial / "tokenizer.json"]
        return PruneReport(
            selection=selection,
            source_rows=source.architecture.vocab_rows,
            fidelity=fidelity,
            bytes_before=sum(path.stat().st_size for path in before),
            bytes_after=sum(path.stat().st_size for path in after),
            left_out=tuple(left_out),
            rule=_describe(options, selection),
        )


def _rates(
    source: Checkpoint, vocabulary: UnigramVocabulary, options: PruneOptions
) -> Mapping[str, Rates]:
    if not options.corpora:
        if options.corpus_only:
            raise InputError("--corpus-only needs text to count: pass --corpus FILE")
        return default_rates(vocabulary, options.languages)
    own = corpus_rates(count_files(load_tokenizer(source.tokenizer()), options.corpora))
    if options.corpus_only:
        return {"corpus": own}
    return merge_rates(default_rates(vocabulary, options.languages), own)


def _describe(options: PruneOptions, selection: Selection) -> str:
    counted = "the default counts"
    if options.corpora:
        names = ", ".join(path.name for path in options.corpora)
        counted = names if options.corpus_only else f"{counted} and {names}"
    return (
        f"languages {','.join(options.languages)}: {selection.required} required, "
        f"{selection.alphabet:,} of the alphabet, {selection.counted:,} by {counted}"
    )
