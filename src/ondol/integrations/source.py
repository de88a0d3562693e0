"""What an adapter was told to open, as plain values that a framework can store."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from ondol.errors import InputError
from ondol.hub.names import is_repository
from ondol.runtime.default import default_bundle


@dataclass(frozen=True)
class BundleSource:
    """Names a bundle and how it is run.

    Attributes:
        bundle: absolute path of a directory, or a repository of the Hugging Face hub; None is the
            bundle inside the package.
        variant: None takes the fastest one that is installed where the bundle is opened.
        threads: None takes every physical core of the machine where the bundle is opened.
    """

    bundle: str | None = None
    variant: str | None = None
    threads: int | None = None

    @classmethod
    def of(
        cls,
        bundle: str | os.PathLike[str] | None,
        variant: str | None = None,
        threads: int | None = None,
    ) -> Self:
        """Of a constructor's arguments. A relative path is made absolute: what is stored has to
        mean the same in another working directory.
        """
        if bundle is None or _is_on_the_hub(bundle):
            name = None if bundle is None else os.fspath(bundle)
        else:
            name = str(Path(bundle).absolute())
        return cls(name, variant, threads)

    @classmethod
    def of_model(cls, model: object) -> Self:
        """Of an Embedder or a Reranker that is open.

        Raises InputError for one that these values do not describe: another class, or an Embedder
        whose options a framework would lose.
        """
        path, variant = getattr(model, "path", None), getattr(model, "variant", None)
        if path is None or variant is None:
            raise InputError(
                f"a {type(model).__name__} cannot be stored; expected a model of a bundle: "
                "give the adapter bundle= and variant= instead"
            )
        for option in ("normalize", "truncate_dim"):
            value = getattr(model, option, None)
            if value is not None:
                raise InputError(
                    f"this {type(model).__name__} has {option}={value!r}, which would be lost "
                    "where the adapter is stored and opened again: give the adapter a model "
                    "without it"
                )
        return cls(None if path == default_bundle() else str(path.absolute()), variant)

    @classmethod
    def parse(cls, stored: Mapping[str, Any]) -> Self:
        """What `to_dict` gave. Raises InputError for other keys."""
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(stored) - set(known)):
            raise InputError(f"unknown settings {unknown}; expected some of {known}")
        return cls(**stored)

    def to_dict(self) -> dict[str, Any]:
        """For JSON or YAML."""
        return asdict(self)


def _is_on_the_hub(bundle: str | os.PathLike[str]) -> bool:
    # As Embedder decides it: a directory of that name wins.
    return isinstance(bundle, str) and is_repository(bundle) and not Path(bundle).exists()
