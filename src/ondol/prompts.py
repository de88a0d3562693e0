"""Which prompt stands before a text."""

from collections.abc import Iterable, Mapping

from ondol.errors import InputError

#: Names under which checkpoints store the prompt of the searched side, as sentence-transformers'
#: encode_document tries them.
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


def choose_prompt(wanted: str | None, prompts: Mapping[str, str], *, default: Iterable[str]) -> str:
    """The prompt itself.

    Args:
        wanted: its name, "none", or None for the default.
        prompts: the bundle's, by name.
        default: the first of these names that the bundle has is taken; none if it has none.

    Raises InputError if the bundle has no prompt of the wanted name.
    """
    if wanted is None:
        return next((prompts[name] for name in default if name in prompts), "")
    if wanted == "none":
        return ""
    if wanted not in prompts:
        known = ", ".join((*prompts, "none"))
        raise InputError(f"the bundle has no prompt named {wanted!r}; expected one of {known}")
    return prompts[wanted]
