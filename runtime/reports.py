"""What the runtime tells about a call that went well but not as the caller may think."""

import warnings


class TruncationWarning(UserWarning):
    """Texts were longer than the model's maximum and were cut."""


def report_truncation(count: int, total: int, max_tokens: int, what: str, method: str) -> None:
    """Warn that `count` of `total` texts (`what`) were cut to `max_tokens` tokens.

    method: which one tells them apart.
    """
    warnings.warn(
        f"{count:,} of {total:,} {what} are longer than {max_tokens} tokens and were cut; "
        f"{method} returns which ones. Further cuts are not reported.",
        TruncationWarning,
        stacklevel=4,
    )
