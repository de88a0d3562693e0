"""`ondol push`: a finished bundle to the hub."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.cli.options import new_parser
from ondol.cli.table import emit

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers

_DESCRIPTION = """\
Upload a bundle with its model card to a repository of the Hugging Face hub, which is made if it
does not exist. A bundle whose files are not those of its manifest is refused. All files arrive in
one commit: variants that the bundle does not hold are deleted there, and a push that breaks off
leaves the repository as it was.

Needs a token that may write (HF_TOKEN or `hf auth login`), and the extra `hub`.
"""

_EXAMPLES = """\
ondol push e5-small-ko me/e5-small-ko-ondol
ondol push e5-small-ko me/e5-small-ko-ondol --private --revision next
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "push",
        summary="upload a bundle to the hub",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="directory of the bundle")
    parser.add_argument("repository", metavar="REPOSITORY", help="a hub id, ORGANISATION/NAME")
    parser.add_argument(
        "--private",
        action="store_true",
        help="make the new repository a private one; an error if it exists and is public",
    )
    parser.add_argument(
        "--revision",
        metavar="BRANCH",
        help="branch to commit to, made if it does not exist (default: the default branch)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Push and print where it is. Returns 0."""
    from ondol.hub.push import push

    pushed = push(Path(args.bundle), args.repository, private=args.private, revision=args.revision)
    emit(f"{args.repository} at {pushed.commit}: {pushed.url}\n")
    return 0
