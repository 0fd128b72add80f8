"""Decays and cycles that several libraries have, for all parameters that the libraries take.

Native kinds want a decay to be one; a library also takes a rate of 0, or a power of 0. Then a formula stands in.
"""

from collections.abc import Iterator
from struct import pack, unpack
from typing import Any, Literal

from schemas.base import MAX_STEP
from schemas.dialects.common import Json, clock, constant, formula, ramp, sequence
from schemas.specs import Lowered

MAX_CYCLES = 2000  # of different lengths; from then on they keep the last


class Precise(Lowered):
    """A schedule of a library that computes in float32 if not told otherwise."""

    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the computation."""

    def curve(self) -> Json:
        """The schedule, whatever its precision."""
        raise NotImplementedError

    def lower(self) -> Json:
        """the curve, inside `float32`"""
        return {"kind": "float32", "of": self.curve()} if self.dtype == "float32" else self.curve()

    def rounded(self, value: float) -> float:
        """A number as the library holds it."""
        return single(value) if self.dtype == "float32" else value


def single(value: float) -> float:
    """The nearest float32."""
    try:
        nearest: float = unpack("<f", pack("<f", value))[0]
    except OverflowError:
        raise ValueError(f"{value:g} is too large for float32.") from None
    return nearest


def exponential(start: float, rate: float, steps: float = 1, *, staircase: bool = False) -> Json:
    """start * rate^(u/steps)"""
    if rate > 0:
        return {"kind": "exponential", "start": start, "rate": rate, "steps": steps, "staircase": staircase}
    exponent = "floor(step/steps)" if staircase else "(step/steps)"
    return formula(f"start * rate**{exponent}", start=start, rate=rate, steps=steps)


def inverse_time(start: float, rate: float, steps: float = 1, *, power: float = 1.0, staircase: bool = False) -> Json:
    """start * (1 + rate*u/steps)^-power"""
    if rate >= 0:
        shape = {"rate": rate, "steps": steps, "power": power, "staircase": staircase}
        return {"kind": "inverse_time", "start": start, **shape}
    units = "floor(step/steps)" if staircase else "(step/steps)"
    return formula(f"start / (1 + rate*{units})**power", start=start, rate=rate, steps=steps, power=power)


def polynomial(start: float, end: float, steps: float, power: float = 1.0, *, cycle: bool = False) -> Json:
    """end + (start - end)*(1 - u/steps)^power, held at the end; with `cycle` stretched to the next multiple of it."""
    if power == 1 and not cycle:
        return ramp(start, end, steps)
    if power > 0 and not cycle:
        return ramp(start, end, steps, "polynomial", power=power)
    progress = "step/(steps * where(step == 0, 1, ceil(step/steps)))" if cycle else "min(step, steps)/steps"
    value = "(start - end) * (1 - progress)**power + end"
    return formula(value, start=start, end=end, steps=steps, power=power, progress=progress)


def clamp(of: Json, **bounds: float) -> Json:
    """`of` within `min` and `max`."""
    return {"kind": "clamp", "of": of, **bounds}


def late(of: Json, steps: float) -> Json:
    """What `of` starts with for `steps` steps, then `of`."""
    return {"kind": "clock", "of": of, "from": steps, "to": steps + 1} if steps > 0 else of


def undefined() -> Json:
    """Where the library raises an error: no number, which is refused with its step when it is asked for."""
    return formula("0/0")


def cycles(*lengths: int, growth: float) -> Iterator[tuple[tuple[int, ...], bool]]:
    """The lengths of the parts of each cycle, and whether all later cycles are the same.

    The parts of the next cycle are int(length * growth), as libraries that count in whole steps compute them. It ends
    when nothing is left of the first part, or at the last step there is.
    """
    start, count = 0, 0
    while lengths[0] > 0 and start < MAX_STEP:
        count += 1
        following = tuple(int(min(length * growth, MAX_STEP)) for length in lengths)
        last = following == lengths or count == MAX_CYCLES
        yield lengths, last
        if last:
            return
        start += sum(lengths)
        lengths = following


def repeat(of: Json, steps: float, decay: float = 1.0) -> Json:
    """`of` again and again, each time `decay` times as large."""
    return {"kind": "repeat", "of": of, "steps": steps, "decay": decay}


def warmed(warmup: Json, steps: float, then: Json, at: float = 0) -> Json:
    """`warmup` for `steps` steps, then `then`, read `at` steps into it."""
    phases: list[Any] = [(warmup, steps), (clock(then, at), None)]
    return sequence(*phases) if steps > 0 else clock(then, at)


def until(of: Json, steps: float, end: float) -> Json:
    """`of` for `steps` steps, then `end` for ever."""
    return sequence((of, max(steps, 0)), (constant(end), None))
