"""How much one request, and all of them together, may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of what a server takes.

    Attributes:
        body_bytes: of a request.
        texts: of a request; OpenAI's own limit is 2,048.
        requests: that are read, waiting, running or being answered at once. With body_bytes it
            bounds the memory that requests can take.
        body_seconds: from the first to the last byte of a body.
    """

    body_bytes: int = 16 * 2**20
    texts: int = 2048
    requests: int = 128
    body_seconds: float = 60.0
