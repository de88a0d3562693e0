"""`ondol pull`: a finished bundle from the hub."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ondol.cli.options import new_parser, variant_name
from ondol.cli.table import emit
from ondol.cli.vocabulary import stage_printer

if TYPE_CHECKING:
    from ondol.cli.options import Subparsers

_DESCRIPTION = """\
Download a bundle from a repository of the Hugging Face hub into a directory, whole or with some of
its variants. Every file is compared with the checksum in the bundle's manifest; the directory
appears only when it is complete. What a pull that broke off has fetched stays in the hub's cache.

HF_TOKEN, HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE mean what they mean to huggingface_hub.

Needs the extra `hub`.
"""

_EXAMPLES = """\
ondol pull me/e5-small-ko-ondol --out e5-small-ko
ondol pull me/e5-small-ko-ondol --variant onnx-int8 --revision v1 --out e5-small-ko
"""


def add_parser(subparsers: "Subparsers") -> None:
    """Add the command."""
    parser = new_parser(
        subparsers,
        "pull",
        summary="download a bundle from the hub",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "repository", metavar="REPOSITORY", help="the bundle's hub id, ORGANISATION/NAME"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        required=True,
        help="the bundle's directory; must not exist, or be empty",
    )
    parser.add_argument(
        "--variant",
        metavar="NAME",
        action="append",
        type=variant_name,
        help="take this variant alone; may be given several times (default: all)",
    )
    parser.add_argument(
        "--revision",
        metavar="REVISION",
        help="commit, tag or branch (default: the repository's default branch)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Pull and print what came. Returns 0."""
    from ondol.hub.bundles import pull

    pulled = pull(
        args.repository,
        Path(args.out),
        variants=args.variant or (),
        revision=args.revision,
        report_stage=stage_printer(),
    )
    emit(
        f"{args.out}: {', '.join(map(str, pulled.variants))}, {pulled.bytes:,} bytes, of "
        f"{args.repository} at {pulled.commit}\n"
    )
    return 0
