"""What a schedule means: the pieces of its curve with their formulas, and what can be read off its values."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.schedules.build import build
from app.schedules.combine import Repeat
from app.schedules.compiled import CompiledPlan
from app.schedules.curves import SHORTEST
from schemas import schedules as native
from schemas.folds import MetricFold
from schemas.specs import Spec

MAX_SEGMENTS = 200


@dataclass(frozen=True)
class Time:
    """Local time as a line of the step: pace*step + offset."""

    pace: float = 1.0
    offset: float = 0.0

    def at(self, step: float) -> float:
        """The local time at a step."""
        return self.pace * step + self.offset

    def step(self, time: float) -> float:
        """The step at a local time."""
        return (time - self.offset) / self.pace if self.pace else np.inf

    def then(self, pace: float, offset: float) -> "Time":
        """The time of a clock that reads pace*u + offset at this local time u."""
        return Time(self.pace * pace, self.offset * pace + offset)

    def over(self, steps: float) -> str:
        """The text of (local time)/steps."""
        if not self.pace:
            return number(self.offset / steps)
        start, length = -self.offset / self.pace, steps / self.pace
        shifted = "step" if not start else f"(step - {number(start)})" if start > 0 else f"(step + {number(-start)})"
        return shifted if length == 1 else f"{shifted}/{number(length)}"


def segments(plan: CompiledPlan, track: str, start: int, stop: int) -> list[dict[str, Any]]:
    """The pieces of a track over [start, stop): where, the first and last value, and the formula in between.

    At most 200 pieces; the last then ends where the others begin.
    """
    cuts = [start, *(step for step in plan.joins(track, start, stop) if step > start)][:MAX_SEGMENTS]
    ends = [*cuts[1:], stop]
    firsts, lasts = plan.at(track, cuts).tolist(), plan.at(track, [end - 1 for end in ends]).tolist()
    return [
        {
            "start": begin,
            "stop": end,
            "start_value": first,
            "end_value": last,
            "formula": text(plan.native[track], Time(), (begin + end - 1) / 2),
        }
        for begin, end, first, last in zip(cuts, ends, firsts, lasts, strict=True)
    ]


def summary(values: NDArray[np.float64], start: int, stride: int) -> dict[str, Any]:
    """What can be read off the values at start, start + stride, ...: ends, extremes, direction, area under them."""
    lowest, highest = int(np.argmin(values)), int(np.argmax(values))
    with np.errstate(all="ignore"):
        area = float(np.sum(values)) * stride
    up, down = bool(np.any(values[1:] > values[:-1])), bool(np.any(values[1:] < values[:-1]))
    return {
        "start_value": float(values[0]),
        "end_value": float(values[-1]),
        "minimum": {"step": start + lowest * stride, "value": float(values[lowest])},
        "maximum": {"step": start + highest * stride, "value": float(values[highest])},
        "monotonic": {(False, False): "constant", (True, False): "rising", (False, True): "falling"}.get((up, down)),
        "area": area if isfinite(area) else None,
    }


def text(spec: Spec, time: Time, step: float) -> str:
    """The formula of the piece of a native schedule that holds at a step, in terms of `step`."""
    match spec:
        case native.Constant():
            return number(spec.value)
        case native.Ramp():
            return _ramp(spec, time, step)
        case native.Exponential():
            units = time.over(float(spec.steps))
            return f"{number(spec.start)}*{number(spec.rate)}**{f'floor({units})' if spec.staircase else f'({units})'}"
        case native.InverseTime():
            units = time.over(float(spec.steps))
            units = f"floor({units})" if spec.staircase else units
            return f"{number(spec.start)}*(1 + {number(spec.rate)}*{units})**-{number(spec.power)}"
        case native.Interpolate():
            return _interpolate(spec, time, step)
        case native.Formula():
            let = "".join(f"; {name} = {part}" for name, part in spec.let.items())
            clock = "" if time == Time() else f"; with {time.over(1.0)} for step"
            return spec.expression + let + clock
        case native.Iterate():
            held = f", k at most {spec.limit}" if spec.limit <= time.at(step) else ""
            return f"x_k, k = floor({time.over(1.0)}){held}; x_0 = {number(spec.start)}, x_k = {spec.update}"
        case _:
            return _composed(spec, time, step)


def number(value: float) -> str:
    """A number as short as it can be read back."""
    return repr(float(value)).removesuffix(".0")


def _composed(spec: Spec, time: Time, step: float) -> str:
    match spec:
        case native.Sequence():
            phase, start = _phase(spec, time.at(step))
            return text(phase, time.then(1.0, -start), step)
        case native.Repeat() if float(spec.steps) < SHORTEST:
            return f"({text(spec.of, time, step)}), repeated every {number(float(spec.steps))} steps"
        case native.Repeat():
            cycle, inner = _cycle(spec, time, step)
            decay = "" if spec.decay == 1 else f"{number(spec.decay)}**{cycle}*"
            return f"{decay}({text(spec.of, inner, step)})" if decay else text(spec.of, inner, step)
        case native.Sum():
            return " + ".join(f"({text(term, time, step)})" for term in spec.of)
        case native.Product():
            return "*".join(f"({text(term, time, step)})" for term in spec.of)
        case native.Scale() | MetricFold():
            return f"{number(spec.factor)}*({text(spec.of, time, step)})"
        case native.Clamp():
            inner_text = text(spec.of, time, step)
            inner_text = inner_text if spec.min is None else f"max({inner_text}, {number(spec.min)})"
            return inner_text if spec.max is None else f"min({inner_text}, {number(spec.max)})"
        case native.Clock():
            return text(spec.of, on_clock(spec, time, step), step)
        case native.Float32():
            return f"float32({text(spec.of, time, step)})"
    raise AssertionError(spec.kind)


def on_clock(spec: native.Clock, time: Time, step: float) -> Time:
    """The time that a clock shows around a step."""
    u = time.at(step)
    if spec.held and u >= spec.from_:
        return Time(0.0, spec.at)
    pace = 1.0 if spec.held else (spec.end - spec.at) / (spec.to - spec.from_)
    if spec.at + (u - spec.from_) * pace < 0:
        return Time(0.0, 0.0)
    return time.then(pace, spec.at - spec.from_ * pace)


def _phase(spec: native.Sequence, u: float) -> tuple[Spec, float]:
    """The phase at a local time, and where it starts."""
    start, found = 0.0, spec.phases[0].schedule
    begin = 0.0
    for phase in spec.phases:
        if u >= start:
            found, begin = phase.schedule, start
        start += float(phase.steps or 0)
    return found, begin


def _cycle(spec: native.Repeat, time: Time, step: float) -> tuple[int, Time]:
    """The cycle at a step, and the time within."""
    curve = build(spec)
    assert isinstance(curve, Repeat)
    u = time.at(step)
    if len(curve.lengths) == 1:
        length = float(curve.lengths[0])
        cycle = int(u // length)
        start = cycle * length
    else:
        cycle = max(int(np.searchsorted(curve.starts, u, side="right")) - 1, 0)
        start, length = float(curve.starts[cycle]), float(curve.lengths[min(cycle, len(curve.lengths) - 1)])
    ratio = float(spec.steps) / length
    return cycle, time.then(ratio, -start * ratio)


def _ramp(spec: native.Ramp, time: Time, step: float) -> str:
    start, end, steps = number(spec.start), number(spec.end), float(spec.steps)
    held = spec.past == "hold" or spec.shape in ("polynomial", "power")
    if steps == 0 or (held and time.at(step) >= steps) or spec.start == spec.end:
        return end
    p = time.over(steps)
    if spec.shape == "exponential":
        return f"{start}*({end}/{start})**({p})"
    return f"{start} + ({end} - {start})*{_shape(spec.shape, p, number(spec.power))}"


def _shape(shape: str, p: str, power: str) -> str:
    return {
        "linear": p,
        "cosine": f"(1 - cos(pi*{p}))/2",
        "polynomial": f"(1 - (1 - {p})**{power})",
        "power": f"({p})**{power}",
    }[shape]


def _interpolate(spec: native.Interpolate, time: Time, step: float) -> str:
    u = time.at(step)
    index = sum(1 for x, _ in spec.points if x <= u) - 1
    last = len(spec.points) - 1
    if index < 0:
        return number(spec.points[0][1])
    if spec.shape == "hold" or (index == last and (spec.past == "hold" or last == 0)):
        return number(spec.points[index][1])
    index = min(index, last - 1)
    (x, y), (next_x, next_y) = spec.points[index], spec.points[index + 1]
    if next_x == x:
        return number(next_y)
    p = time.then(1.0, -x).over(next_x - x)
    return f"{number(y)} + ({number(next_y)} - {number(y)})*{_shape(spec.shape, p, '1')}"
