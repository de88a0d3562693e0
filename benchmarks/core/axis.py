"""An axis of a plot: which values it spans, where its marks are, and what they say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Marks that a linear axis should have, about.
_WANTED_MARKS = 6

#: Steps between marks, times a power of ten, that readers can count in.
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)

#: Room beyond the outermost values: a share of a linear axis, a factor on a logarithmic one.
_PADDING = 0.06
_LOG_PADDING = 1.3


@dataclass(frozen=True)
class Axis:
    """What an axis is called and how it runs.

    Attributes:
        title: with the unit, for instance "latency, ms".
        log: logarithmic; then every value must be above 0.
        from_zero: a linear axis begins at 0, so that lengths can be compared.
        largest: no mark is above it, for instance 1 for a share.
        marks: where the marks are; empty chooses them.
    """

    title: str
    log: bool = False
    from_zero: bool = False
    largest: float = math.inf
    marks: tuple[float, ...] = ()


class Scale:
    """An axis for given values.

    Raises ValueError if there are no values, or one that the axis cannot show.
    """

    def __init__(self, axis: Axis, values: Sequence[float]) -> None:
        if not values:
            raise ValueError(f"the axis {axis.title!r} got no values; expected at least one")
        for value in values:
            if not math.isfinite(value) or (axis.log and value <= 0):
                kind = "above 0" if axis.log else "that are finite"
                raise ValueError(f"the axis {axis.title!r} got {value}; expected numbers {kind}")
        self._log = axis.log
        low, high = min(values), max(values)
        if axis.log:
            self.low, self.high = low / _LOG_PADDING, high * _LOG_PADDING
        else:
            # A single value gets an axis around it.
            padding = _PADDING * (high - low or abs(high) or 1.0)
            self.low, self.high = (0.0 if axis.from_zero else low - padding), high + padding
        chosen = axis.marks or (_log_marks if axis.log else _linear_marks)(self.low, self.high)
        highest = min(self.high, axis.largest)
        self.marks = tuple(mark for mark in chosen if self.low <= mark <= highest)

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high end."""
        if self._log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def label(self, mark: float) -> str:
        """A mark as text: with the decimals that the finest mark needs, or, on a logarithmic axis,
        that this one needs.
        """
        shown = (mark,) if self._log else self.marks
        for decimals in range(10):
            if all(math.isclose(round(m, decimals), m, abs_tol=1e-9 * abs(mark)) for m in shown):
                return f"{mark:,.{decimals}f}"
        return f"{mark:g}"


def _linear_marks(low: float, high: float) -> tuple[float, ...]:
    rough = (high - low) / _WANTED_MARKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in _STEPS if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(step * number for number in range(first, last + 1))


def _log_marks(low: float, high: float) -> tuple[float, ...]:
    """1, 2 and 5 in every decade; 1 alone over many decades, even steps within a factor of 8."""
    if high / low < 8:
        return _linear_marks(low, high)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 4 else (1,)
    return tuple(factor * 10.0**power for power in range(first, last + 1) for factor in factors)
