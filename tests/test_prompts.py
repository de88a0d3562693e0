"""Names of prompts."""

import pytest

from ondol.errors import InputError
from ondol.prompts import DOCUMENT_PROMPTS, choose_prompt


def test_a_bundle_without_the_default_prompt_gets_none() -> None:
    assert choose_prompt(None, {}, default=("query",)) == ""
    assert choose_prompt(None, {"document": "d: "}, default=("query",)) == ""


def test_the_first_default_that_there_is_is_taken() -> None:
    assert (
        choose_prompt(None, {"corpus": "c: ", "passage": "p: "}, default=DOCUMENT_PROMPTS) == "p: "
    )


def test_none_is_a_name() -> None:
    assert choose_prompt("none", {"query": "q: "}, default=("query",)) == ""


def test_an_unknown_name_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(InputError, match="no prompt named 'query'; expected one of document, none"):
        choose_prompt("query", {"document": "d: "}, default=())
