"""Decays and cycles that several libraries have, for all parameters that the libraries take.

Native kinds want a decay to be one; a library also takes a rate of 0, or a power of 0. Then a formula stands in.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator

from schemas.base import MAX_STEP
from schemas.compose import clock, constant, formula, ramp, sequence
from schemas.schedules import Exponential, InverseTime
from schemas.specs import Spec

MAX_CYCLES = 2000  # of different lengths; from then on they keep the last

Phases = list[tuple[Spec, float | None]]


def exponential(start: float, rate: float, steps: float = 1, *, staircase: bool = False) -> Spec:
    """start * rate^(u/steps)"""
    if rate > 0:
        return Exponential(kind="exponential", start=start, rate=rate, steps=steps, staircase=staircase)
    exponent = "floor(step/steps)" if staircase else "(step/steps)"
    return formula(f"start * rate**{exponent}", start=start, rate=rate, steps=steps)


def inverse_time(start: float, rate: float, steps: float = 1, *, power: float = 1.0, staircase: bool = False) -> Spec:
    """start * (1 + rate*u/steps)^-power"""
    if rate >= 0:
        return InverseTime(kind="inverse_time", start=start, rate=rate, steps=steps, power=power, staircase=staircase)
    units = "floor(step/steps)" if staircase else "(step/steps)"
    return formula(f"start / (1 + rate*{units})**power", start=start, rate=rate, steps=steps, power=power)


def polynomial(start: float, end: float, steps: float, power: float = 1.0, *, cycle: bool = False) -> Spec:
    """end + (start - end)*(1 - u/steps)^power, held at the end; with `cycle` stretched to the next multiple of it."""
    if power == 1 and not cycle:
        return ramp(start, end, steps)
    if power > 0 and not cycle:
        return ramp(start, end, steps, "polynomial", power=power)
    progress = "step/(steps * where(step == 0, 1, ceil(step/steps)))" if cycle else "min(step, steps)/steps"
    value = "(start - end) * (1 - progress)**power + end"
    return formula(value, start=start, end=end, steps=steps, power=power, progress=progress)


def warmed(warmup: Spec, steps: float, then: Spec, at: float = 0) -> Spec:
    """`warmup` for `steps` steps, then `then`, read `at` steps into it."""
    return sequence((warmup, steps), (clock(then, at), None)) if steps > 0 else clock(then, at)


def until(of: Spec, steps: float, end: float) -> Spec:
    """`of` for `steps` steps, then `end` for ever."""
    return sequence((of, max(steps, 0)), (constant(end), None))


def on_from(of: Spec, steps: float) -> Spec:
    """`of`, with a join where a run of `steps` steps ends, beyond which it goes on."""
    return sequence((of, steps), (clock(of, steps), None))


def undefined() -> Spec:
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


def first_step(reached: Callable[[int], bool], low: int = 0) -> int | None:
    """The first step from `low` on at which a condition holds that holds from then on; None if it never does.

    Boundaries that depend on how a library rounds are found this way, with the library's own operations.
    """
    steps = range(low, MAX_STEP + 1)
    index = bisect_left(steps, True, key=reached)
    return steps[index] if index < len(steps) else None
