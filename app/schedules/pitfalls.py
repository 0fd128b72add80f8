"""What has bitten people and can be seen in a spec: warnings, each with a code, a sentence and a pointer."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from math import inf, isfinite

import numpy as np

from app.schedules.build import build
from app.schedules.explain import Time, number, on_clock
from app.schedules.tree import children
from schemas import schedules as native
from schemas.base import Warned
from schemas.folds import MetricFold, ReduceOnPlateau
from schemas.shorthands import Warmup
from schemas.specs import Lowered, Spec

JUMP = 1e-6  # of the larger side; less is rounding
MAX_JOINS = 1000  # looked at, of a part
TAIL = 0.05  # of the run; holding one value for longer is worth a word


@dataclass(frozen=True)
class Place:
    """Where in the run a part of a schedule is in force."""

    time: Time
    stop: float
    """The step at which something else takes over; infinite for what goes on for ever."""
    cycling: bool = False
    """Inside a `repeat`: it comes again."""


def pitfalls(
    given: Spec, lowered: Spec, values: np.ndarray, total_steps: int | None, steps_per_epoch: float | None
) -> list[Warned]:
    """The warnings for a schedule as it was given (durations resolved) and in native kinds, with these values from
    step 0 on."""
    found = [*_of_values(values), *_of_parts(lowered, "", Place(Time(), inf), total_steps, given)]
    if total_steps and steps_per_epoch and steps_per_epoch > 1:
        found += _epochs(lowered, total_steps, steps_per_epoch)
    return found


def _of_values(values: np.ndarray) -> Iterator[Warned]:
    if values[0] == 0 and np.any(values != 0):
        yield Warned(
            code="starts-at-zero", detail="the first update has rate 0 and changes nothing; start a little above 0"
        )
    if np.any(values < 0):
        step = int(np.argmax(values < 0))
        yield Warned(code="negative", detail=f"the value at step {step} is {number(values[step])}; runs refuse that")


def _of_parts(spec: Spec, pointer: str, place: Place, total: int | None, given: Spec | None) -> Iterator[Warned]:
    """Warnings of a native schedule and its parts. What the user has not given so, but lowers to it, keeps the pointer
    to what was given."""
    if isinstance(given, Lowered | Warmup):
        given = None
    match spec:
        case native.Ramp():
            yield from _ramp(spec, pointer, place, total)
        case native.Sequence():
            yield from _sequence(spec, pointer, place, total, given)
            return
        case native.Repeat():
            yield from _repeat(spec, pointer)
            place = Place(place.time, place.stop, cycling=True)
        case native.Clock():
            place = Place(on_clock(spec, place.time, max(place.time.step(spec.from_), 0.0)), place.stop, place.cycling)
        case MetricFold():
            yield from _fold(spec, pointer)
    for (child, at), own in zip(children(spec), _children(given), strict=False):
        yield from _of_parts(child, pointer + at if given else pointer, place, total, own)


def _ramp(spec: native.Ramp, pointer: str, place: Place, total: int | None) -> Iterator[Warned]:
    if place.cycling or spec.start == spec.end or not place.time.pace or total is None:
        return
    end = place.time.step(float(spec.steps))
    until = min(place.stop, total)
    if spec.past == "continue" and spec.shape == "cosine" and end < until - 1:
        yield Warned(
            code="rises-again",
            detail=f"the cosine reaches {number(spec.end)} at step {end:g} and then comes back; `past`: `hold` stays",
            pointer=pointer,
        )
    if place.stop == inf and end > total:
        yield Warned(
            code="end-never-comes",
            detail=f"it would reach {number(spec.end)} at step {end:g}, but the run ends at {total}",
            pointer=pointer,
        )
    if place.stop == inf and spec.past == "hold" and end < total * (1 - TAIL):
        yield Warned(
            code="ends-early",
            detail=f"it reaches {number(spec.end)} at step {end:g} and stays there until the run ends at {total}",
            pointer=pointer,
        )


def _children(given: Spec | None) -> Iterator[Spec | None]:
    """The schedules directly inside one that was given; none, again and again, where none was."""
    return repeat(None) if given is None else (child for child, _ in children(given))


def _sequence(
    spec: native.Sequence, pointer: str, place: Place, total: int | None, given: Spec | None
) -> Iterator[Warned]:
    start = 0.0
    for (index, phase), own in zip(enumerate(spec.phases), _children(given), strict=False):
        at = f"{pointer}/phases/{index}" if given else pointer
        last = index == len(spec.phases) - 1
        length = inf if last else float(phase.steps or 0)
        stop = min(place.stop, place.time.step(start + length)) if isfinite(length) else place.stop
        if length == 0 and given:
            yield Warned(code="skipped", detail="a phase of length 0 is skipped", pointer=at)
        if length:
            inner = Place(place.time.then(1.0, -start), stop, place.cycling)
            yield from _of_parts(phase.schedule, f"{at}/schedule" if given else at, inner, total, own)
        rises = index == 0 and isinstance(phase.schedule, native.Ramp) and phase.schedule.end > phase.schedule.start
        if rises and not last and total is not None and stop >= total and not place.cycling:
            detail = f"the warm-up takes until step {stop:g}, but the run ends at {total}"
            yield Warned(code="warmup-longer-than-run", detail=detail, pointer=at)
        if not last and length:
            follower = next((p for p in spec.phases[index + 1 : -1] if p.steps), spec.phases[-1])
            yield from _jump(phase.schedule, length, follower.schedule, place.time.step(start + length), at)
        start += length


def _jump(before: Spec, length: float, after: Spec, step: float, pointer: str) -> Iterator[Warned]:
    """A warning where a phase does not end at what the next one starts with."""
    with np.errstate(all="ignore"):
        left = float(build(before)(np.array([length]))[0])
        right = float(build(after)(np.zeros(1))[0])
    if abs(left - right) > JUMP * max(abs(left), abs(right)):
        change = f", {100 * (right - left) / left:+.3g} %" if left else ""
        detail = f"it jumps from {number(left)} to {number(right)} at step {step:g}{change}"
        yield Warned(code="jump", detail=detail, pointer=pointer)


def _repeat(spec: native.Repeat, pointer: str) -> Iterator[Warned]:
    steps = float(spec.steps)
    joins = islice(build(spec.of).joins(steps, 2 * steps), MAX_JOINS)
    beyond = [join for join in joins if join > steps * (1 + JUMP)]
    if beyond:
        detail = f"what is repeated goes on until {max(beyond):g}, but a cycle ends after {steps:g} steps"
        yield Warned(code="cycle-cut", detail=detail, pointer=pointer)


def _fold(spec: MetricFold, pointer: str) -> Iterator[Warned]:
    if spec.threshold_mode == "signed" and spec.threshold > 0:
        detail = "for a metric below 0 its threshold has the wrong sign; `rel` takes the absolute value of the best"
        yield Warned(code="signed-threshold", detail=detail, pointer=pointer)
    if isinstance(spec, ReduceOnPlateau) and spec.patience_test == "equal" and spec.patience == 0:
        detail = "with patience 0 and test `equal` it reduces on every improvement and never on a plateau"
        yield Warned(code="reduces-on-improvement", detail=detail, pointer=pointer)


def _epochs(spec: Spec, total: int, steps_per_epoch: float) -> Iterator[Warned]:
    last = max(islice(build(spec).joins(0, float(total)), MAX_JOINS), default=0.0)
    if last and abs(last * steps_per_epoch - total) <= steps_per_epoch:
        detail = f'the curve ends at step {last:g}, which looks like epochs; write "{last:g}ep" for {total} steps'
        yield Warned(code="looks-like-epochs", detail=detail)
