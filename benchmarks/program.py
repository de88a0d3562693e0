"""How a benchmark ends."""

import argparse
import sys
from collections.abc import Callable

from ondol.errors import OndolError


def exit_code(run: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """0 when `run` has ended; 1, with a line on standard error, after an error of ondol's."""
    try:
        run(options)
    except OndolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
