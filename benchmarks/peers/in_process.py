"""Peers in the process of a program of ours, where both have to be timed in one."""

import importlib
from typing import Any

from ondol.errors import OndolError


class MissingPeerError(OndolError):
    """A package that ondol is compared with is not installed."""


def load_peer(module: str) -> Any:
    """The module of a peer. Raises MissingPeerError if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPeerError(
            f"cannot import {module} ({error}); run this program with the Python of the "
            "environment sentence-transformers that benchmarks/make_peers.py makes"
        ) from error
