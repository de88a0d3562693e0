"""The peers of benchmarks/peers as models, each in its own environment and process."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers.contender import Contender
from peers.places import REQUIREMENTS, read_reasons
from peers.process import PeerError, PeerProcess
from peers.registry import peer_contenders

from ondol.errors import InputError
from ondol.files import sha256_of
from ondol.runtime.cores import physical_cores
from quality.models import Encode, NamedModel, identity_of


@dataclass(frozen=True)
class Peer:
    """One engine with the file that make_peers.py made for it.

    Attributes:
        contender: what runs.
        peers: the folder that make_peers.py wrote.
        unmade: why it could not be made; None if it was.
    """

    contender: Contender
    peers: Path
    unmade: str | None

    def identity(self) -> str:
        """Of its files, its options and the versions that its environment is pinned to."""
        contender = self.contender
        if self.unmade:
            raise PeerError(self.unmade)
        if missing := contender.missing():
            raise PeerError(f"{missing[0]} is missing; run benchmarks/make_peers.py")
        pinned = REQUIREMENTS / f"{contender.environment}.txt"
        return identity_of(
            contender.module,
            pinned.read_text(encoding="utf-8"),
            *(f"{name} {value}" for name, value in sorted(contender.options.items())),
            *(f"{file} {sha256_of(contender.source / file)}" for file in contender.files),
        )

    @contextmanager
    def open(self) -> Iterator[Encode]:
        with PeerProcess(self.contender, self.peers, physical_cores()) as process:
            process.load()
            yield lambda texts: process.encode(texts)[1]


def peer_models(peers: Path) -> list[NamedModel]:
    """Every peer, also one that make_peers.py could not make.

    Raises InputError if make_peers.py never ran to its end in `peers`.
    """
    try:
        reasons = read_reasons(peers)
    except FileNotFoundError as error:
        raise InputError(
            f"{peers} has no {Path(error.filename).name}, so benchmarks/make_peers.py did not run "
            "to its end there; run it, or name the folder that it wrote"
        ) from error
    return [
        NamedModel(contender.name, Peer(contender, peers, _unmade(contender, reasons)))
        for contender in peer_contenders(peers)
    ]


def _unmade(contender: Contender, reasons: Mapping[str, str]) -> str | None:
    environment = reasons.get(f"environments/{contender.environment}")
    return environment or reasons.get(contender.source.name)
