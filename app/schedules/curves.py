"""Curves: objects that turn arrays of local time into arrays of values; here those that contain no others.

A curve is called with times `u` (float64, or float32 inside `float32`), in any order, and gives a fresh array that its
caller may overwrite; `u` itself is never written to. Every operation is elementwise, so the bits of one value do not
depend on the window it is asked in. Parameters are NumPy scalars of the precision in which the curve computes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.schedules.arrays import Array, groups, times
from app.schedules.formula import Node, evaluate, operations
from app.schedules.shapes import SHAPES

Number = np.floating[Any]
SHORTEST = 2**-10  # steps; what comes again faster than this has no joins worth a name


class Curve:
    """A function of local time."""

    def __call__(self, u: Array) -> Array:
        """The values at the times `u`."""
        raise NotImplementedError

    def fill(self, first: float, out: Array) -> None:
        """Write the values at first, first + 1, ... into `out`: the same bits as a call gives, maybe faster."""
        out[:] = self(times(first, out))

    def joins(self, low: float, high: float) -> Iterator[float]:
        """The times t, low < t <= high, at which one piece of the curve ends and another begins, in no order.

        There may be very many: take as many as you need.
        """
        return iter(())

    def cost(self) -> int:
        """About how many passes over an array one call takes."""
        return 1


@dataclass(frozen=True)
class Constant(Curve):
    """value"""

    value: Number

    def __call__(self, u: Array) -> Array:
        return np.full(u.shape, self.value, u.dtype)

    def fill(self, first: float, out: Array) -> None:
        out.fill(self.value)


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


def _units(u: Array, steps: Number, staircase: bool) -> Array:
    """u/steps, rounded down if staircase."""
    p = u / steps
    return np.floor(p, out=p) if staircase else p


def _stairs(steps: Number, staircase: bool, low: float, high: float) -> Iterator[float]:
    if staircase and steps >= SHORTEST:
        first = np.floor(low / float(steps)) + 1
        while first * float(steps) <= high:
            yield float(first * float(steps))
            first += 1


@dataclass(frozen=True)
class Exponential(Curve):
    """start * rate^(u/steps)"""

    start: Number
    rate: Number
    steps: Number
    staircase: bool

    def __call__(self, u: Array) -> Array:
        values = np.power(self.rate, _units(u, self.steps, self.staircase))
        values *= self.start
        return values

    def joins(self, low: float, high: float) -> Iterator[float]:
        return _stairs(self.steps, self.staircase, low, high)


@dataclass(frozen=True)
class InverseTime(Curve):
    """start * (1 + rate*u/steps)^-power"""

    start: Number
    rate: Number
    steps: Number
    power: Number
    staircase: bool

    def __call__(self, u: Array) -> Array:
        values = _units(u, self.steps, self.staircase)
        values *= self.rate
        values += u.dtype.type(1)
        if self.power == 1:
            return np.divide(self.start, values, out=values)
        np.power(values, -self.power, out=values)
        values *= self.start
        return values

    def joins(self, low: float, high: float) -> Iterator[float]:
        return _stairs(self.steps, self.staircase, low, high)


@dataclass(frozen=True)
class Interpolate(Curve):
    """From point to point; exactly y[i] at x[i]."""

    x: Array
    y: Array
    shape: str
    past: str

    def __call__(self, u: Array) -> Array:
        last = len(self.x) - 1
        index = np.searchsorted(self.x, u, side="right") - 1
        before, after = index < 0, index >= last
        np.clip(index, 0, max(last - 1, 0), out=index)
        if self.shape == "hold" or last == 0:
            values: Array = self.y[index]
            np.copyto(values, self.y[last], where=after)
            return values
        start, width = self.x[index], self.x[index + 1] - self.x[index]
        p = (u - start) / np.where(width > 0, width, u.dtype.type(1))
        values = self._between(p, self.y[index], self.y[index + 1])
        np.copyto(values, self.y[0], where=before)
        beyond = after if self.past == "hold" or self.x[last] == self.x[last - 1] else u == self.x[last]
        np.copyto(values, self.y[last], where=beyond)
        return values

    def _between(self, p: Array, y: Any, next_y: Any) -> Array:
        """The share `p` of the way from y to next_y."""
        values = SHAPES[self.shape](p, p.dtype.type(1))
        values *= next_y - y
        values += y
        return values

    def fill(self, first: float, out: Array) -> None:
        inner = slice(*np.searchsorted(self.x, [first, first + out.size]))
        if (inner.stop - inner.start) * 256 > out.size:  # so many points that a loop over them would take longer
            super().fill(first, out)
            return
        u, last = times(first, out), len(self.x) - 1
        for index, where in groups(u, self.x):
            beyond = index >= last and (self.past == "hold" or last == 0 or self.x[last] == self.x[last - 1])
            if self.shape == "hold" or beyond or u[where][0] < self.x[0]:
                out[where] = self.y[index]
            else:
                i = min(index, last - 1)
                p = (u[where] - self.x[i]) / (self.x[i + 1] - self.x[i])
                out[where] = self._between(p, self.y[i], self.y[i + 1])
                np.copyto(out[where], self.y[last], where=u[where] == self.x[last])

    def joins(self, low: float, high: float) -> Iterator[float]:
        return (x for x in self.x.tolist() if low < x <= high)


@dataclass(frozen=True)
class Formula(Curve):
    """The expression at step = u."""

    expression: Node
    let: dict[str, Node]

    def __call__(self, u: Array) -> Array:
        return evaluate(self.expression, self.let, u)

    def cost(self) -> int:
        return 1 + operations(self.expression) + sum(operations(part) for part in self.let.values())
