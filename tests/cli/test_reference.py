"""docs/cli.md is what the parsers say, and every option says something."""

import argparse
from pathlib import Path

import pytest

from ondol.cli.parser import build_parser
from ondol.cli.reference import reference
from ondol.runtime.tokenize import NORMAL_FORMS
from ondol.vocab_prune.select import DEFAULT_SIZE

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def commands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return dict(action.choices)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "run: python -m ondol.cli.reference > docs/cli.md"
    )


@pytest.mark.parametrize("name", commands())
def test_every_command_has_an_example_and_every_option_a_help(name: str) -> None:
    parser = commands()[name]
    assert f"\n  ondol {name}" in (parser.epilog or "")
    assert [action.dest for action in parser._actions if not action.help] == []


@pytest.mark.parametrize("name", commands())
def test_help_exits_with_0(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        build_parser().parse_args([name, "--help"])
    assert exit_info.value.code == 0
    assert f"usage: ondol {name}" in capsys.readouterr().out


def test_numbers_and_names_in_the_help_are_those_of_the_code() -> None:
    assert f"(default: {DEFAULT_SIZE:,};" in reference()
    (normalize,) = (a for a in commands()["embed"]._actions if a.dest == "normalize")
    assert tuple(normalize.choices or ()) == NORMAL_FORMS
