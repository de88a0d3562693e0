"""Hub ids and paths are told apart by their form."""

import pytest

from ondol.hub.names import is_repository


@pytest.mark.parametrize(
    "name", ["org/name", "dragonkue/multilingual-e5-small-ko", "a/b", "o/n_1.0"]
)
def test_a_hub_id(name: str) -> None:
    assert is_repository(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "name", "org/", "/name", "./name", "../name", "a/b/c", "org/na me", "org/na..me",
        "org/na--me", "org/name-", "-org/name", "org/name.git", "~/name", "번들/경로", "org/name\n",
    ],
)  # fmt: skip
def test_no_hub_id(name: str) -> None:
    assert not is_repository(name)
