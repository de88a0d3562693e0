"""A connection to a Ray cluster, after which the process is as it was."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ondol.errors import InputError, MissingDependencyError

#: Read when a cluster is started: no report of its use leaves the machine.
_NO_REPORTS = {"RAY_USAGE_STATS_ENABLED": "0"}

#: In which a head node accepts a connection, from another continent too.
_ANSWER_SECONDS = 10.0


def import_ray() -> Any:
    """The module. Raises MissingDependencyError without it."""
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingDependencyError("embed-dataset on Ray", "ray", "ray") from error
    return ray


@contextmanager
def connected(ray: Any, address: str | None) -> Iterator[None]:
    """Connected to the cluster at `address`; to the one this process is connected to, which stays
    so; or to a new one on this machine, without dashboard, that ends with the block.

    Raises InputError if the process is connected and an address is given, and if no cluster is
    there.
    """
    if ray.is_initialized():
        if address is not None:
            raise InputError(
                f"this process is connected to a Ray cluster already; leave address={address!r} "
                "away to use it, or call ray.shutdown() first"
            )
        yield
        return
    if address is not None:
        _check_answers(address)
    quiet = {"log_to_driver": False, "configure_logging": False}
    with _process_restored():
        try:
            if address is not None:
                ray.init(address=address, **quiet)
            else:
                os.environ.update(_NO_REPORTS)
                ray.init(address="local", include_dashboard=False, **quiet)
        except (ConnectionError, ValueError) as error:
            where = "could be started here" if address is None else f"is at {address}"
            raise InputError(f"no Ray cluster {where}: {error}") from error
        try:
            yield
        finally:
            ray.shutdown()


def _check_answers(address: str) -> None:
    """Raises InputError if nobody listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # "auto": a file of Ray's on this machine has the address
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
    except OSError as error:
        raise InputError(f"no Ray cluster is at {address}: {error}") from error


@contextmanager
def _process_restored() -> Iterator[None]:
    """Takes back what ray.init changes, besides what it starts: variables of the environment, the
    handler of SIGTERM, and handlers of its logger.
    """
    environment = dict(os.environ)
    logger = logging.getLogger("ray")
    handlers = list(logger.handlers)
    # Python lets no other thread set a handler: there Ray sets none either.
    in_main_thread = threading.current_thread() is threading.main_thread()
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        logger.handlers[:] = handlers
        if in_main_thread and on_sigterm is not None:  # None: a handler that is not Python's
            signal.signal(signal.SIGTERM, on_sigterm)
