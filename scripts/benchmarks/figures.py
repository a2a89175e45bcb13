"""Medians with their spread, and how they are written."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float
    # The least of all, which a busy machine disturbs least, and how many there were.
    least: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """The spread of some measurements, which may be as few as one."""
        ordered = sorted(values)
        if len(ordered) == 1:
            [only] = ordered
            return cls(only, only, only, only, 1)
        low, median, high = statistics.quantiles(ordered, n=4, method="inclusive")
        return cls(median, low, high, ordered[0], len(ordered))

    def over(self, base: "Spread") -> str:
        """As a multiple of another median, with this one's own quartiles if it has any."""
        ratio, low, high = (value / base.median for value in (self.median, self.low, self.high))
        return f"{ratio:.2f} ({low:.2f}-{high:.2f})" if self.count > 1 else f"{ratio:.2f}"


def gain(peer: Spread, ours: Spread, plain: Spread) -> str:
    """How many times more a peer adds to the plain program than we do."""
    noise = plain.high - plain.low
    added = ours.median - plain.median
    if added <= noise:
        return "within noise"
    return f"x {(peer.median - plain.median) / added:.1f}"


def mebibytes(count: float) -> str:
    """A number of bytes, in the unit that all of a column has."""
    return f"{count / (1 << 20):.1f}"
