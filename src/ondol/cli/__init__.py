"""The command `ondol`. Results go to standard output, everything else to standard error."""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ondol.cli.signals import Terminated, signals_raise
from ondol.errors import OndolError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; see `ondol.cli.parser.EXIT_CODES`.

    argv: without the program's name; None takes the process's own arguments. Raises SystemExit
    for -h, --version and usage errors, as argparse does.
    """
    _open_missing_streams()
    try:
        with signals_raise():
            # Inside, so that a signal finds the handler before the commands are imported.
            from ondol.cli.parser import build_parser

            args = build_parser().parse_args(argv)
            code: int = args.run(args)
            # Here and not at exit, where a closed pipe can no longer be handled.
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        _discard_output()
        return 0
    except Terminated:
        return _end("stopped by SIGTERM", 143)
    except KeyboardInterrupt:
        return _end("stopped by Ctrl-C", 130)
    except (OndolError, OSError) as error:
        return _end(f"error: {error}", 1)


def _open_missing_streams() -> None:
    """Point the standard streams that the caller has closed at nothing: Python has None for them,
    and the next file that is opened would get the number of one.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nothing = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - it stays open
            setattr(sys, name, nothing)


def _end(message: str, code: int) -> int:
    """Say why, where anybody still listens. Returns the code."""
    try:
        sys.stdout.flush()
    except OSError:
        # The exit would try once more, and change the code to 120.
        _discard_output()
    with contextlib.suppress(OSError):
        print(f"ondol: {message}", file=sys.stderr)
    return code


def _discard_output() -> None:
    """Point standard output at nothing: the reader has gone, and the exit flushes once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
