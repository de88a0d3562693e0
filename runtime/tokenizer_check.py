"""Is this tokenizer one of those that `ondol build` keeps?

A tokenizer.json is a small program: a `Replace` can make gigabytes of one letter, a regular
expression can search for ever, and a post-processor can name ids that no model has. The parts of
the XLM-RoBERTa family do none of that.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models

from ondol.errors import BundleError

#: Harmless parts by their type, as tokenizer.json names them.
_NORMALIZERS = {
    "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "Replace", "Strip",
    "StripAccents",
}  # fmt: skip
_PRE_TOKENIZERS = {"Digits", "Metaspace", "Punctuation", "Whitespace", "WhitespaceSplit"}
_POST_PROCESSORS = {"BertProcessing", "RobertaProcessing", "TemplateProcessing"}

#: The one pattern that this family replaces: runs of spaces, by one character.
_SPACES = {"Regex": " {2,}"}


def check_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Raises BundleError, with the part, for a tokenizer that could do harm.

    path: of its file, for messages.
    """
    if not isinstance(tokenizer.model, models.Unigram):
        raise _other(path, f"its model is {type(tokenizer.model).__name__}, expected Unigram")
    for what, part, known in (
        ("normalizer", tokenizer.normalizer, _NORMALIZERS),
        ("pre_tokenizer", tokenizer.pre_tokenizer, _PRE_TOKENIZERS),
        ("post_processor", tokenizer.post_processor, _POST_PROCESSORS),
    ):
        for step in steps(part):
            if step.get("type") not in known:
                raise _other(path, f"its {what} has the part {step.get('type')!r:.80}")
            if step["type"] == "Replace" and (
                step.get("pattern") != _SPACES or len(step.get("content", "")) > 1
            ):
                raise _other(path, f"its {what} replaces {step.get('pattern')!r:.80}")
            _check_ids(step, tokenizer.get_vocab_size(with_added_tokens=True), path)


def steps(part: Any) -> Iterator[dict[str, Any]]:
    """The parts of a part of a tokenizer, which may be a sequence of such."""
    if part is None:
        return
    pending = [json.loads(part.__getstate__())]
    while pending:
        step = pending.pop()
        if step.get("type") == "Sequence":
            for name in ("normalizers", "pretokenizers", "processors"):
                pending += step.get(name, [])
        else:
            yield step


def _check_ids(step: dict[str, Any], rows: int, path: Path) -> None:
    """The ids that a post-processor puts around a text; other parts have none."""
    ids = [index for token in step.get("special_tokens", {}).values() for index in token["ids"]]
    ids += [step[name][1] for name in ("cls", "sep") if name in step]
    if outside := [index for index in ids if index >= rows]:
        raise _other(path, f"its post_processor has the id {outside[0]:,} of {rows:,}")


def _other(path: Path, fault: str) -> BundleError:
    return BundleError(
        f"cannot use the tokenizer {path}: {fault}; expected a tokenizer of the XLM-RoBERTa "
        "family, as `ondol build` writes it"
    )
