"""What `build` and `prune` share: the options that choose the vocabulary, and the report on it."""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.cli.options import positive_int
from ondol.cli.table import format_table

if TYPE_CHECKING:
    from ondol.vocab_prune.prune import PruneOptions, PruneReport
    from ondol.vocab_prune.verify import Fidelity

_NAMES = {
    "ar": "Arabic", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "fr": "French", "he": "Hebrew", "hi": "Hindi", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "pl": "Polish", "pt": "Portuguese", "ru": "Russian",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


def add_vocabulary_options(parser: argparse.ArgumentParser) -> None:
    """--languages, --vocab-size, --corpus and --corpus-only."""
    parser.add_argument(
        "--languages",
        metavar="LIST",
        type=_language_list,
        help="languages to keep, with a comma between them: ko, en or ko,en (default: ko,en)",
    )
    parser.add_argument(
        "--vocab-size",
        metavar="N",
        type=positive_int,
        help="the most rows to keep, special tokens included (default: 48,000; 41,348 is the size "
        "of KoEn-E5-Tiny)",
    )
    parser.add_argument(
        "--corpus",
        metavar="FILE",
        action="append",
        type=Path,
        help="your own text, one text per line, plain or .gz; what it uses is kept in addition to "
        "the default counts; may be given several times",
    )
    parser.add_argument(
        "--corpus-only",
        action="store_true",
        help="count the files of --corpus instead of the default counts",
    )


def prune_options(args: argparse.Namespace) -> "PruneOptions":
    """The options as `prune` takes them. Raises InputError for an unknown language."""
    from ondol.vocab_prune.prune import PruneOptions

    default = PruneOptions()
    return PruneOptions(
        languages=args.languages or default.languages,
        vocab_size=args.vocab_size or default.vocab_size,
        corpora=tuple(args.corpus or ()),
        corpus_only=args.corpus_only,
    )


def stage_printer() -> Callable[[str], None]:
    """A function that prints what begins, and when, to standard error."""
    started = time.monotonic()

    def report_stage(stage: str) -> None:
        # The work goes on without a reader: its result is a directory.
        with contextlib.suppress(BrokenPipeError):
            # In one piece: print writes the end of the line apart, and a signal can come between.
            sys.stderr.write(f"[{time.monotonic() - started:6.1f} s] {stage}\n")
            sys.stderr.flush()

    return report_stage


def prune_text(report: "PruneReport", languages: Sequence[str]) -> str:
    """The verification that every prune runs, for people.

    languages: the kept ones; the others are listed as what suffers.
    """
    rows = len(report.selection.kept)
    saved = report.bytes_before - report.bytes_after
    kept = {code: found for code, found in report.fidelity.items() if code in languages}
    others = {code: found for code, found in report.fidelity.items() if code not in languages}
    text = (
        f"{rows:,} of {report.source_rows:,} rows kept; {report.rule}\n"
        f"weights and tokenizer: {report.bytes_before:,} bytes before, {report.bytes_after:,} "
        f"after, {saved:,} saved\n\n"
        f"segmentation before and after, on lines that were never counted\n{_fidelity(kept)}"
    )
    if others:
        ordered = sorted(others.items(), key=lambda item: item[1].identical_token_share)
        text += f"\nother languages now suffer, the worst first\n{_fidelity(dict(ordered))}"
    if report.left_out:
        text += f"\nfiles of the source not taken along: {', '.join(report.left_out)}\n"
    return text


def _fidelity(by_language: "dict[str, Fidelity]") -> str:
    header = (
        "language", "lines", "same lines", "same tokens", "<unk>/10k before", "after",
        "tokens/character before", "after",
    )  # fmt: skip
    rows = []
    for code, found in by_language.items():
        unknown_before, unknown_after = found.unknown_per_10k
        tokens_before, tokens_after = found.tokens_per_character
        rows.append(
            (
                _NAMES.get(code, code),
                f"{found.lines:,}",
                f"{found.identical_line_share:.1%}",
                f"{found.identical_token_share:.2%}",
                f"{unknown_before:.1f}",
                f"{unknown_after:.1f}",
                f"{tokens_before:.3f}",
                f"{tokens_after:.3f}",
            )
        )
    return format_table(header, rows)


def _language_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))
