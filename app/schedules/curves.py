"""The native kinds as curves: objects that turn arrays of local time into arrays of values.

A curve is called with times `u` (float64, or float32 inside `float32`), in any order, and gives a fresh array that its
caller may overwrite; `u` itself is never written to. Every operation is elementwise, so the bits of one value do not
depend on the window it is asked in. Parameters are NumPy scalars of the precision in which the curve computes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.schedules.arrays import Array, groups
from app.schedules.shapes import SHAPES

Number = np.floating[Any]


class Curve:
    """A function of local time."""

    def __call__(self, u: Array) -> Array:
        """The values at the times `u`."""
        raise NotImplementedError

    def joins(self, low: float, high: float) -> Iterator[float]:
        """The times t, low < t <= high, at which one piece of the curve ends and another begins, in no order."""
        return iter(())


@dataclass(frozen=True)
class Constant(Curve):
    """value"""

    value: Number

    def __call__(self, u: Array) -> Array:
        return np.full(u.shape, self.value, u.dtype)


@dataclass(frozen=True)
class Ramp(Curve):
    """start + (end - start)*g(u/steps), exactly `end` at `steps`."""

    start: Number
    end: Number
    steps: Number
    shape: str
    power: Number
    past: str

    def __call__(self, u: Array) -> Array:
        if self.steps == 0:
            return np.full(u.shape, self.end, u.dtype)
        p = u / self.steps
        if self.shape == "exponential":
            values = np.power(self.end / self.start, p)
            values *= self.start
        else:
            values = SHAPES[self.shape](p, self.power)
            values *= self.end - self.start
            values += self.start
        if self.past == "hold" or self.shape in ("polynomial", "power"):
            np.copyto(values, self.end, where=u >= self.steps)
        else:
            np.copyto(values, self.end, where=u == self.steps)
        return values

    def joins(self, low: float, high: float) -> Iterator[float]:
        if low < self.steps <= high:
            yield float(self.steps)


@dataclass(frozen=True)
class Sequence(Curve):
    """Piece i at u - starts[i], from starts[i] on."""

    starts: Array
    pieces: tuple[Curve, ...]

    def __call__(self, u: Array) -> Array:
        values = np.empty_like(u)
        for index, where in groups(u, self.starts):
            values[where] = self.pieces[index](u[where] - self.starts[index])
        return values

    def joins(self, low: float, high: float) -> Iterator[float]:
        ends = [*self.starts[1:].tolist(), np.inf]
        for start, end, piece in zip(self.starts.tolist(), ends, self.pieces, strict=True):
            if start < end and start <= high and low < end:
                if low < start:
                    yield start
                inner = piece.joins(max(low, start) - start, min(high, end) - start)
                yield from (start + join for join in inner)


@dataclass(frozen=True)
class Scale(Curve):
    """factor * of"""

    factor: Number
    of: Curve

    def __call__(self, u: Array) -> Array:
        values = self.of(u)
        values *= self.factor
        return values

    def joins(self, low: float, high: float) -> Iterator[float]:
        return self.of.joins(low, high)


@dataclass(frozen=True)
class Clock(Curve):
    """of at the time that a clock shows, which reads `at` at `start` and `end` at `to`."""

    of: Curve
    start: Number
    at: Number
    to: Number
    end: Number
    held: bool

    def reading(self, u: Array) -> Array:
        """What the clock shows at the times `u`. Shifts are exact in whole steps."""
        read = u - self.start
        if not self.held and self.end - self.at != self.to - self.start:
            read *= self.end - self.at
            read /= self.to - self.start
        read += self.at
        if self.held:
            np.copyto(read, self.at, where=u >= self.start)
        else:
            np.copyto(read, self.end, where=u == self.to)
        return np.maximum(read, u.dtype.type(0), out=read)

    def __call__(self, u: Array) -> Array:
        return self.of(self.reading(u))

    def joins(self, low: float, high: float) -> Iterator[float]:
        if low < self.start <= high:
            yield float(self.start)
        pace = 1.0 if self.held else float((self.end - self.at) / (self.to - self.start))
        if pace > 0 and not (self.held and low >= self.start):
            until = min(high, float(self.start)) if self.held else high
            read = self.reading(np.array([low, until]))
            for join in self.of.joins(float(read[0]), float(read[1])):
                yield float(self.start) + (join - float(self.at)) / pace
