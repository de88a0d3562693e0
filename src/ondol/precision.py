"""The names of the number formats in which vectors can be returned."""

from enum import Enum

from ondol.errors import InputError


class Precision(Enum):
    """A number format of vectors; the value is sentence-transformers' name of it.

    FLOAT32: as computed. INT8, UINT8: a byte per dimension, between the dimension's smallest and
    largest value on calibration text. BINARY, UBINARY: a bit per dimension, set if it is positive,
    eight to an int8 or uint8.
    """

    FLOAT32 = "float32"
    INT8 = "int8"
    UINT8 = "uint8"
    BINARY = "binary"
    UBINARY = "ubinary"

    @classmethod
    def parse(cls, name: str) -> "Precision":
        """The precision called `name`. Raises InputError with the list of names otherwise."""
        try:
            return cls(name)
        except ValueError:
            known = ", ".join(precision.value for precision in cls)
            raise InputError(f"unknown precision {name!r}; expected one of: {known}") from None

    @property
    def needs_ranges(self) -> bool:
        """Whether values are placed between the ends of a calibrated range."""
        return self in (Precision.INT8, Precision.UINT8)

    @property
    def packed(self) -> bool:
        """Whether eight dimensions share a column."""
        return self in (Precision.BINARY, Precision.UBINARY)

    @property
    def dtype(self) -> str:
        """numpy's name of the type of a column."""
        return {Precision.BINARY: "int8", Precision.UBINARY: "uint8"}.get(self, self.value)

    def columns(self, dimension: int) -> int:
        """Columns of a vector of `dimension` dimensions."""
        return -(-dimension // 8) if self.packed else dimension

    def __str__(self) -> str:
        return self.value
