"""Curves made of curves: one after another, again and again, added, scaled, bounded, on other clocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from app.schedules.arrays import Array, groups
from app.schedules.curves import SHORTEST, Curve, Number
from schemas.base import MAX_STEP

MAX_CYCLES = 100_000  # of different lengths that are told apart


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

    def fill(self, first: float, out: Array) -> None:
        if first != np.floor(first) or not self._whole:
            super().fill(first, out)
            return
        index = max(int(np.searchsorted(self.starts, first, side="right")) - 1, 0)
        done = 0
        while done < out.size:
            stop = self.starts[index + 1] - first if index + 1 < len(self.starts) else np.inf
            until = int(min(stop, out.size))
            if until > done:
                self.pieces[index].fill(first + done - float(self.starts[index]), out[done:until])
                done = until
            index += 1

    @cached_property
    def _whole(self) -> bool:
        """Whether every piece starts at a whole time, so that its own times are exact."""
        return bool(np.all(self.starts == np.floor(self.starts)))

    def joins(self, low: float, high: float) -> Iterator[float]:
        ends = [*self.starts[1:].tolist(), np.inf]
        for start, end, piece in zip(self.starts.tolist(), ends, self.pieces, strict=True):
            if start < end and start <= high and low < end:
                if low < start:
                    yield start
                inner = piece.joins(max(low, start) - start, min(high, end) - start)
                yield from (start + join for join in inner)

    def cost(self) -> int:
        return 2 + max(piece.cost() for piece in self.pieces)


@dataclass(frozen=True)
class Scale(Curve):
    """factor * of"""

    factor: Number
    of: Curve

    def __call__(self, u: Array) -> Array:
        values = self.of(u)
        values *= self.factor
        return values

    def fill(self, first: float, out: Array) -> None:
        self.of.fill(first, out)
        out *= self.factor

    def joins(self, low: float, high: float) -> Iterator[float]:
        return self.of.joins(low, high)

    def cost(self) -> int:
        return 1 + self.of.cost()


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

    def fill(self, first: float, out: Array) -> None:
        shifted = not self.held and self.end - self.at == self.to - self.start
        exact = self.start == np.floor(self.start) and self.at == np.floor(self.at) and first == np.floor(first)
        reading = first - float(self.start) + float(self.at)
        if shifted and exact and 0 <= reading <= MAX_STEP - out.size:
            self.of.fill(reading, out)
        else:
            super().fill(first, out)

    def joins(self, low: float, high: float) -> Iterator[float]:
        if low < self.start <= high:
            yield float(self.start)
        if not self.held and self.start == self.to:  # in float32 two times may be one: it jumps there
            return
        pace = 1.0 if self.held else (float(self.end) - float(self.at)) / (float(self.to) - float(self.start))
        zero = float(self.start) - float(self.at) / pace if pace else np.inf  # it reads 0 on one side of this
        if low < zero <= high and not (self.held and zero > self.start):
            yield zero
        if pace and not (self.held and low >= self.start):
            until = min(high, float(self.start)) if self.held else high
            with np.errstate(all="ignore"):
                first, last = sorted(self.reading(np.array([low, until])).tolist())
            for join in self.of.joins(first, last):
                yield float(self.start) + (join - float(self.at)) / pace

    def cost(self) -> int:
        return 2 + self.of.cost()


def _divide(u: Array, length: Number) -> tuple[Array, Array]:
    """How many whole lengths are in `u`, and the exact rest."""
    if length != np.floor(length):
        local = np.fmod(u, length)
        return np.rint((u - local) / length), local
    cycle = np.floor(u / length)  # for a whole length, the products below are exact
    local = u - cycle * length
    late, early = local >= length, local < 0
    if late.any() or early.any():  # the quotient was rounded across a boundary
        cycle += late
        cycle -= early
        local = u - cycle * length
    return cycle, local


@dataclass(frozen=True)
class Repeat(Curve):
    """decay^i * of((u - starts[i]) * steps/lengths[i]) in cycle i.

    Cycles of equal length are counted by division, corrected so that a boundary starts the next cycle exactly. Growing
    ones are looked up among sums of their lengths; beyond the 100,000th the value is nan.
    """

    of: Curve
    steps: Number
    lengths: Array
    starts: Array
    decay: Number

    @classmethod
    def over(cls, of: Curve, steps: Number, growth: float, decay: Number, whole_steps: bool) -> "Repeat":
        """The cycles of a repeat. `lengths` has one element if all are the same."""
        scalar = type(steps)
        with np.errstate(over="ignore"):
            count = 1
            while True:
                lengths = np.float64(steps) * np.power(np.float64(growth), np.arange(count))
                lengths = np.floor(lengths) if whole_steps else lengths
                starts = np.concatenate([[0.0], np.add.accumulate(lengths)])
                if growth == 1 or starts[-1] >= MAX_STEP or count == MAX_CYCLES:
                    break
                count = min(16 * count, MAX_CYCLES)
            known = int(np.searchsorted(starts, MAX_STEP)) + 1
            return cls(of, steps, lengths[:known].astype(scalar), starts[: known + 1].astype(scalar), decay)

    def __call__(self, u: Array) -> Array:
        if len(self.lengths) == 1:
            length = self.lengths[0]
            cycle, local = _divide(u, length)
            ratio = self.steps / length
        else:
            index = np.searchsorted(self.starts, u, side="right") - 1
            known = index < len(self.lengths)
            np.minimum(index, len(self.lengths) - 1, out=index)
            local = u - self.starts[index]
            ratio = self.steps / self.lengths[index]
            cycle = np.where(known, index, np.nan).astype(u.dtype)
        if not (np.ndim(ratio) == 0 and ratio == 1):
            local *= ratio
        values = self.of(local)
        if self.decay != 1:
            values *= np.power(self.decay, cycle)
        elif len(self.lengths) > 1:
            values += cycle * 0  # nan where the cycle is unknown
        return values

    def joins(self, low: float, high: float) -> Iterator[float]:
        same = len(self.lengths) == 1
        if same and self.lengths[0] < SHORTEST:
            return
        cycle = max(int(low // float(self.lengths[0])) if same else int(np.searchsorted(self.starts, low)) - 1, 0)
        while same or cycle < len(self.lengths):
            length = float(self.lengths[0 if same else cycle])
            start = cycle * length if same else float(self.starts[cycle])
            if start > high:
                return
            if low < start:
                yield start
            ratio = length / float(self.steps)
            for join in self.of.joins(max(low - start, 0.0) / ratio, min((high - start) / ratio, float(self.steps))):
                if join < self.steps:
                    yield start + join * ratio
            cycle += 1

    def cost(self) -> int:
        return 4 + self.of.cost()


@dataclass(frozen=True)
class Fold(Curve):
    """Several curves under one operation, left to right."""

    ufunc: np.ufunc
    of: tuple[Curve, ...]

    def __call__(self, u: Array) -> Array:
        values = self.of[0](u)
        for curve in self.of[1:]:
            self.ufunc(values, curve(u), out=values)
        return values

    def fill(self, first: float, out: Array) -> None:
        self.of[0].fill(first, out)
        term = np.empty_like(out)
        for curve in self.of[1:]:
            curve.fill(first, term)
            self.ufunc(out, term, out=out)

    def joins(self, low: float, high: float) -> Iterator[float]:
        return chain.from_iterable(curve.joins(low, high) for curve in self.of)

    def cost(self) -> int:
        return sum(1 + curve.cost() for curve in self.of)


@dataclass(frozen=True)
class Clamp(Curve):
    """min(max(of, low), high)"""

    of: Curve
    low: Number
    high: Number

    def __call__(self, u: Array) -> Array:
        values = self.of(u)
        return np.clip(values, self.low, self.high, out=values)

    def fill(self, first: float, out: Array) -> None:
        self.of.fill(first, out)
        np.clip(out, self.low, self.high, out=out)

    def joins(self, low: float, high: float) -> Iterator[float]:
        return self.of.joins(low, high)

    def cost(self) -> int:
        return 1 + self.of.cost()


@dataclass(frozen=True)
class Float32(Curve):
    """A curve whose times and operations are float32."""

    of: Curve

    def __call__(self, u: Array) -> Array:
        return self.of(u.astype(np.float32)).astype(u.dtype)

    def joins(self, low: float, high: float) -> Iterator[float]:
        return self.of.joins(low, high)

    def cost(self) -> int:
        return 1 + self.of.cost()
