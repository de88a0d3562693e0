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
        grace_seconds, bytes_per_second: a body that comes slower than this has no more than these
            seconds, so that clients that send a byte now and then ("slow loris") do not hold the
            places of all others. Both are those of Kestrel's MinRequestBodyDataRate:
            https://learn.microsoft.com/aspnet/core/fundamentals/servers/kestrel/options
    """

    body_bytes: int = 16 * 2**20
    texts: int = 2048
    requests: int = 128
    body_seconds: float = 60.0
    grace_seconds: float = 5.0
    bytes_per_second: int = 240

    def seconds_for(self, arrived: int) -> float:
        """How long a body may take of which so many bytes have arrived."""
        return min(self.body_seconds, self.grace_seconds + arrived / self.bytes_per_second)
