"""Listening, and stopping without cutting anybody off."""

import logging
import signal
import socket
import sys
from ipaddress import ip_address
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from ondol.serve.access_log import logger as access_logger
from ondol.serve.connection import Connection

#: Seconds that a connection stays open without a whole head of a request: longer than the 5 that
#: httpx keeps it, which with the same 5 here would sometimes send a request into a connection that
#: is being closed.
_KEEP_ALIVE = 30

#: Seconds for which requests that have come may go on after SIGTERM or Ctrl-C.
_GRACE = 30

#: Names of this machine for programs that run on it.
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def allowed_hosts(host: str) -> list[str] | None:
    """Host headers to allow for an address to listen on: those of this machine if only its own
    programs can reach the address, otherwise None for all.
    """
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        return None
    literal = f"[{host}]" if ":" in host else host
    return list(dict.fromkeys((*_LOOPBACK_NAMES, literal)))


def bind(host: str, port: int) -> socket.socket:
    """A socket that has the address but does not listen yet: until then clients are refused.

    Raises OSError if the address is in use or none of this machine's.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise OSError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return bound


def url_of(bound: socket.socket) -> str:
    """Where clients reach it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Says when clients can come."""

    def __init__(self, config: uvicorn.Config, announcement: str) -> None:
        super().__init__(config)
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._announcement, file=sys.stderr, flush=True)


def server_config(app: Starlette, *, keep_alive: int = _KEEP_ALIVE) -> uvicorn.Config:
    """How uvicorn serves it. keep_alive: seconds that a connection may be without a request."""
    return uvicorn.Config(
        app,
        http=Connection,
        log_config=None,
        log_level="error",  # Connection logs what is malformed, and by whom
        access_log=False,
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=keep_alive,
        timeout_graceful_shutdown=_GRACE,
    )


def run_server(app: Starlette, bound: socket.socket, *, announcement: str) -> None:
    """Serve until SIGTERM or Ctrl-C, then let what has come end, for 30 seconds at most.

    announcement: a line for standard error, once clients can come.

    Raises SystemExit(0) after SIGTERM, KeyboardInterrupt after Ctrl-C.
    """
    log_requests()
    # uvicorn ends by raising the signal that stopped it once more, for the handler before its own.
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        _Server(server_config(app), announcement).run(sockets=[bound])
    finally:
        signal.signal(signal.SIGTERM, before)


def log_requests() -> None:
    """Write the access log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    access_logger.handlers = [handler]
    access_logger.setLevel(logging.INFO)
    access_logger.propagate = False


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
