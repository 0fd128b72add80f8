"""The kinds of schedules that the walks use, written a second time: plain functions of a time (ALGEBRA §3)."""

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Json = dict[str, Any]
Curve = Callable[[float], float]


def curve(spec: Json, total: int | None) -> Curve:
    """The value at a time u >= 0 of a schedule whose percentages are of `total` steps."""
    return KINDS[spec["kind"]](spec, total)


def steps(duration: float | str, total: int | None) -> float:
    """A duration as steps: a number as it is, "3%" of the run, half up."""
    if not isinstance(duration, str):
        return duration
    assert total is not None
    return math.floor(Fraction(duration.removesuffix("%")) * total / 100 + Fraction(1, 2))


@dataclass(frozen=True)
class Clock:
    """A straight line that reads `at` at `start` and `end` at `to`, never below 0; `at` for ever if held."""

    start: float
    at: float
    to: float
    end: float
    held: bool = False

    def holds(self, t: float) -> bool:
        """Whether it stands still at the outer time t."""
        return self.held and t >= self.start

    def read(self, t: float) -> float:
        """What it shows at the outer time t. A line of slope 1 is exact in integers."""
        if self.holds(t):
            return self.at
        if self.held or self.end - self.at == self.to - self.start:
            return max(t - self.start + self.at, 0.0)
        if t == self.to:
            return self.end
        return max((t - self.start) * (self.end - self.at) / (self.to - self.start) + self.at, 0.0)


def _constant(spec: Json, total: int | None) -> Curve:
    return lambda u: float(spec["value"])


def _share(shape: str, p: float, power: float) -> float:
    """g(p), with g(0) = 0 and g(1) = 1."""
    match shape:
        case "cosine":
            return (1 - math.cos(math.pi * p)) * 0.5
        case "polynomial":
            return float(1.0 - max(1 - p, 0.0) ** power)
        case "power":
            return float(min(p, 1.0) ** power)
    return p


def _ramp(spec: Json, total: int | None) -> Curve:
    start, end, length = float(spec["start"]), float(spec["end"]), steps(spec["steps"], total)
    shape, power, goes_on = spec.get("shape", "linear"), spec.get("power", 1.0), spec.get("past") == "continue"

    def value(u: float) -> float:
        if length == 0 or u == length or (u > length and (not goes_on or shape in ("polynomial", "power"))):
            return end
        if shape == "exponential":
            return float(start * (end / start) ** (u / length))
        return start + (end - start) * _share(shape, u / length, power)

    return value


def _exponential(spec: Json, total: int | None) -> Curve:
    length = steps(spec.get("steps", 1), total)

    def value(u: float) -> float:
        exponent = math.floor(u / length) if spec.get("staircase") else u / length
        return float(spec["start"] * spec["rate"] ** exponent)

    return value


def _interpolate(spec: Json, total: int | None) -> Curve:
    points = spec["points"]
    shape = spec.get("shape", "hold")

    def value(u: float) -> float:
        after = bisect_right(points, u, key=lambda point: point[0])
        if after in (0, len(points)) or shape == "hold":
            return float(points[max(after - 1, 0)][1])
        (x, y), (next_x, next_y) = points[after - 1 : after + 1]
        return float(y + (next_y - y) * _share(shape, (u - x) / (next_x - x), 1.0))

    return value


def _sequence(spec: Json, total: int | None) -> Curve:
    phases = spec["phases"]
    starts = [0.0]
    for phase in phases[:-1]:
        starts.append(starts[-1] + steps(phase["steps"], total))
    pieces = [curve(phase["schedule"], total) for phase in phases]

    def value(u: float) -> float:
        index = bisect_right(starts, u) - 1
        return pieces[index](u - starts[index])

    return value


def _scale(spec: Json, total: int | None) -> Curve:
    of = curve(spec["of"], total)
    return lambda u: spec["factor"] * of(u)


def _clock(spec: Json, total: int | None) -> Curve:
    of = curve(spec["of"], total)
    line = Clock(spec["from"], spec["at"], spec["to"], spec["end"], spec.get("held", False))
    return lambda u: of(line.read(u))


KINDS: dict[str, Callable[[Json, int | None], Curve]] = {
    "constant": _constant,
    "ramp": _ramp,
    "exponential": _exponential,
    "interpolate": _interpolate,
    "sequence": _sequence,
    "scale": _scale,
    "clock": _clock,
}
