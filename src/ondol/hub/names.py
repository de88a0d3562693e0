"""What is a repository of the hub, and what is a path?"""

import re

# The rule of huggingface_hub's validate_repo_id, with the organisation, which is always needed
# here: a name alone is a directory.
_REPOSITORY = re.compile(r"(?!.*(?:--|\.\.))\w(?:[\w.-]*\w)?/\w(?:[\w.-]*\w)?", re.ASCII)


def is_repository(name: str) -> bool:
    """Whether `name` has the form ORGANISATION/NAME. Asks neither the hub nor the disk."""
    return _REPOSITORY.fullmatch(name) is not None and not name.endswith(".git")
