"""What the runtime tells about a call that went well but not as the caller may think."""

import warnings


class TruncationWarning(UserWarning):
    """Texts were longer than the model's maximum and were cut."""


def report_truncation(count: int, total: int, max_tokens: int) -> None:
    """Warn that `count` of `total` texts were cut to `max_tokens` tokens."""
    warnings.warn(
        f"{count:,} of {total:,} texts are longer than {max_tokens} tokens and were cut; "
        "Embedder.embed returns which ones. Further cuts are not reported.",
        TruncationWarning,
        stacklevel=4,
    )
