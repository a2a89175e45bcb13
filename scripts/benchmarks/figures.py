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

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """The spread of some measurements, which may be as few as one."""
        ordered = sorted(values)
        if len(ordered) == 1:
            return cls(ordered[0], ordered[0], ordered[0])
        low, median, high = statistics.quantiles(ordered, n=4, method="inclusive")
        return cls(median, low, high)

    def over(self, base: "Spread") -> str:
        """As a multiple of another median, with this one's own quartiles."""
        ratios = (value / base.median for value in (self.median, self.low, self.high))
        return "{:.2f} ({:.2f}-{:.2f})".format(*ratios)


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
