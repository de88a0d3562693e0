"""The parser of the whole command line. Importing it loads no engine and not even numpy."""

import argparse

import ondol
from ondol.cli.app import add_parser as add_app
from ondol.cli.bench import add_parser as add_bench
from ondol.cli.build import add_parser as add_build
from ondol.cli.embed import add_parser as add_embed
from ondol.cli.embed_dataset import add_parser as add_embed_dataset
from ondol.cli.index import add_parser as add_index
from ondol.cli.info import add_parser as add_info
from ondol.cli.prune import add_parser as add_prune
from ondol.cli.pull import add_parser as add_pull
from ondol.cli.push import add_parser as add_push
from ondol.cli.rerank import add_parser as add_rerank
from ondol.cli.search import add_parser as add_search
from ondol.cli.serve import add_parser as add_serve
from ondol.cli.verify import add_parser as add_verify

EXIT_CODES = """\
exit codes:
  0    done (also if the reader of a pipe stopped reading early)
  1    an error, stated on standard error in one line
  2    the command line itself is wrong
  3    verify, bench: a variant failed, or none could be verified or measured
  130  stopped with Ctrl-C
  143  stopped with SIGTERM (`serve` ends with 0)
"""

#: In the order of the help.
_COMMANDS = (
    add_embed,
    add_embed_dataset,
    add_rerank,
    add_index,
    add_search,
    add_app,
    add_info,
    add_verify,
    add_bench,
    add_serve,
    add_build,
    add_prune,
    add_pull,
    add_push,
)


def build_parser() -> argparse.ArgumentParser:
    """A parser whose namespace has `run`, a function from the namespace to the exit code."""
    parser = argparse.ArgumentParser(
        prog="ondol",
        description="Korean and English text embeddings on the device, without torch.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"ondol {ondol.__version__}",
        help="print the version and exit",
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add_command in _COMMANDS:
        add_command(subparsers)
    return parser
