"""docs/cli.md, written from the parsers: python -m ondol.cli.reference > docs/cli.md"""

import argparse
from collections.abc import Iterator

from ondol.cli.parser import EXIT_CODES, build_parser
from ondol.cli.table import emit

_HEAD = """\
# The command line

<!-- Written by python -m ondol.cli.reference; edit the parsers in src/ondol/cli instead. -->

`ondol COMMAND -h` prints the same. Results go to standard output, progress and reports to standard
error. `python -m ondol` is the same command.

"""


def reference() -> str:
    """The whole page, in Markdown. It does not depend on the terminal or on Python's version."""
    parser = build_parser()
    (commands,) = (
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    parts = [_HEAD, f"```\n{EXIT_CODES}```\n"]
    parts += [_section(command) for command in commands.choices.values()]
    return "".join(parts)


def _section(parser: argparse.ArgumentParser) -> str:
    positionals = [action for action in parser._actions if not action.option_strings]
    options = [action for action in parser._actions if action.option_strings]
    usage = " ".join(_usage(positionals + [action for action in options if action.required]))
    rows = "".join(
        f"| `{_name(action)}` | {_help(action)} |\n" for action in (*positionals, *options)
    )
    examples = (parser.epilog or "").removeprefix("examples:\n").replace("\n  ", "\n").strip()
    return (
        f"\n## {parser.prog}\n\n```\n{parser.prog} {usage} [OPTIONS]\n```\n\n"
        f"{(parser.description or '').strip()}\n\n"
        f"| | |\n| --- | --- |\n{rows}\n```sh\n{examples}\n```\n"
    )


def _usage(actions: list[argparse.Action]) -> Iterator[str]:
    for action in actions:
        name = _name(action)
        match action.nargs:
            case "*":
                yield f"[{name}]..."
            case "?":
                yield f"[{name}]"
            case _:
                yield name


def _name(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar)
    flags = ", ".join(action.option_strings)
    if action.nargs == 0:
        return flags
    return f"{flags} {action.metavar or '{' + ','.join(map(str, action.choices or ())) + '}'}"


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%").replace("|", "\\|")


if __name__ == "__main__":
    emit(reference())
