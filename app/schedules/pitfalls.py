"""What has bitten people and can be seen in a plan: warnings, each with a code, a sentence and a pointer.

What happens to a run is read off its curve (`app.schedules.look`); the spec says where to look, and what no value
shows. So a warning does not depend on how a schedule is written, and is true of its values.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import ceil, inf, isfinite

import numpy as np

from app.errors import escape
from app.schedules.build import build, lower
from app.schedules.compiled import CompiledPlan, compile_plan
from app.schedules.durations import durations, resolve
from app.schedules.ends import STEEP, ends, in_epochs, zeros
from app.schedules.explain import Time, number, on_clock
from app.schedules.extremes import extremes
from app.schedules.look import Look, look
from app.schedules.tree import children
from schemas import schedules as native
from schemas.base import MAX_STEP, Warned
from schemas.folds import MetricFold, ReduceOnPlateau
from schemas.plans import Plan, TrackSpec
from schemas.shorthands import Warmup
from schemas.specs import Lowered, Spec

MAX_JOINS = 1000  # looked at, of a part
STEPS = ("steps", "updates")  # how libraries' names of lengths end
WAY = 64  # steps looked at between the end of the run and the end of a warm-up


@dataclass(frozen=True)
class Place:
    """Where in the run a part of a schedule is in force."""

    time: Time
    stop: float
    """The step at which something else takes over; infinite for what goes on for ever."""
    cycling: bool = False
    """Inside a `repeat`: it comes again."""


def pitfalls(plan: Plan, start: int = 0) -> list[Warned]:
    """The warnings for a plan that holds from `start` on, with pointers into it. Raises what `resolve` raises.

    A track that follows a metric is looked at as it is without reports.
    """
    whole = resolve(plan)
    compiled = compile_plan(whole)
    found = [
        warning.under(f"/tracks/{escape(name)}" if name in plan.tracks else "/preset")
        for name, track in whole.tracks.items()
        if not isinstance(track, TrackSpec)
        for warning in of_track(whole, compiled, name, start)
    ]
    return list(dict.fromkeys(found))  # the tracks of a preset share some


def of_track(plan: Plan, compiled: CompiledPlan, name: str, start: int = 0) -> list[Warned]:
    """The warnings for one base track of a resolved plan, with pointers into its schedule."""
    with np.errstate(all="ignore"):  # the largest of numbers have no differences
        seen = look(compiled, name, start, plan.total_steps)
        return [] if seen is None else list(_of_track(plan.tracks[name], seen, plan, name.rpartition("/")[2] == "lr"))


def _of_track(track: Spec, seen: Look, plan: Plan, is_rate: bool) -> Iterator[Warned]:
    parts = list(_of_parts(track, "", Place(Time(), inf), seen))
    if is_rate:
        yield from zeros(seen)
    below = np.flatnonzero(seen.values < 0)
    if below.size > (not seen.whole):  # the step after the last of a one-cycle is no reason where no run comes to it
        index = below[0]
        detail = f"the value at step {seen.steps[index]} is {number(seen.values[index])}; runs refuse that"
        yield Warned(code="negative", detail=detail)
    yield from parts
    yield from extremes(track, seen)
    told = {"past-the-end", "warmup-longer-than-run"} & {part.code for part in parts}
    if seen.whole and np.any(seen.values != 0):
        if not told:
            yield from ends(track, seen)
        yield from in_epochs(seen, plan.steps_per_epoch or 0.0)


def _of_parts(spec: Spec, pointer: str, place: Place, seen: Look, *, written: bool = True) -> Iterator[Warned]:
    """Warnings of a schedule and its parts. What the user has not written, but stands for what is, has its pointer."""
    if written:
        yield from _short(spec, pointer)
        yield from (remark.under(pointer) for remark in spec.remarks())
    match spec:
        case Lowered():
            yield from _past(spec, pointer, place, seen)
            yield from _of_parts(spec.lower(), pointer, place, seen, written=False)
            return
        case native.Sequence():
            yield from _sequence(spec, pointer, place, seen, written=written)
            return
        case Warmup():
            end = place.time.step(float(spec.steps))
            yield from _long_warmup(end, pointer, place, seen)
            place = Place(place.time.then(1.0, -float(spec.steps)), place.stop, place.cycling)
        case native.Repeat():
            yield from _repeat(spec, pointer)
            place = Place(place.time, min(place.stop, place.time.step(float(spec.steps))), cycling=True)
        case native.Clock():
            place = Place(on_clock(spec, place.time, max(place.time.step(spec.from_), 0.0)), place.stop, place.cycling)
        case MetricFold():
            yield from _fold(spec, pointer, written=written)
    for child, at in children(spec):
        yield from _of_parts(child, pointer + at if written else pointer, place, seen, written=written)


def _short(spec: Spec, pointer: str) -> Iterator[Warned]:
    """Lengths below a step, which are shares more often than not: durations, and what a library calls steps."""
    named = {f"/{name}": getattr(spec, name) for name in type(spec).model_fields if name.endswith(STEPS)}
    for at, steps in (named | dict(durations(spec))).items():
        if isinstance(steps, float) and 0 < steps < 1:
            detail = f'{number(steps)} is less than one step; as a share of the run write "{100 * steps:g}%"'
            yield Warned(code="below-one-step", detail=detail, pointer=pointer + at)


def _past(spec: Lowered, pointer: str, place: Place, seen: Look) -> Iterator[Warned]:
    """The run goes beyond what the library computes."""
    last = spec.last_step()
    if last is not None and seen.whole and place.time.step(last + 1) < min(place.stop, seen.stop):
        library, step = spec.kind.partition(".")[0], place.time.step(last)
        detail = f"beyond step {step:g} {library} has no value and raises an error; here the last one is held"
        yield Warned(code="past-the-end", detail=detail, pointer=pointer)


def _sequence(spec: native.Sequence, pointer: str, place: Place, seen: Look, *, written: bool) -> Iterator[Warned]:
    start = 0.0
    for index, phase in enumerate(spec.phases):
        at = f"{pointer}/phases/{index}" if written else pointer
        last = index == len(spec.phases) - 1
        length = inf if last else float(phase.steps or 0)
        end = place.time.step(start + length) if isfinite(length) else inf
        if length == 0 and written:
            yield Warned(code="skipped", detail="a phase of length 0 is skipped", pointer=at)
        if length:
            inner = Place(place.time.then(1.0, -start), min(place.stop, end), place.cycling)
            child = f"{at}/schedule" if written else at
            yield from _of_parts(phase.schedule, child, inner, seen, written=written)
        if index == 0 and not last:
            yield from _long_warmup(end, at, place, seen)
        if not last and length and index < MAX_JOINS:
            follower = next((p for p in spec.phases[index + 1 : -1] if p.steps), spec.phases[-1])
            yield from _jump(phase.schedule, length, follower.schedule, end, at, seen, written=written)
        start += length


def _long_warmup(end: float, pointer: str, place: Place, seen: Look) -> Iterator[Warned]:
    """What comes before the first join of a composition, if it does nothing but rise up to there, beyond the run."""
    if not seen.whole or not seen.stop <= end <= MAX_STEP or place.cycling:
        return
    way = np.unique(np.concatenate([seen.steps, np.linspace(seen.stop, ceil(end) - 1, WAY).astype(np.int64)]))
    values = seen.at(way[way < end])
    if np.all(values[1:] >= values[:-1]) and values[0] < seen.values[-1] <= values[-1] > values[-2]:
        detail = f"the warm-up takes until step {end:g}, but the run ends at {seen.stop}"
        yield Warned(code="warmup-longer-than-run", detail=detail, pointer=pointer)


def _jump(
    before: Spec, length: float, after: Spec, end: float, pointer: str, seen: Look, *, written: bool
) -> Iterator[Warned]:
    """A phase does not lead to the next one: neither on paper, nor in the steps that the run sees.

    Where a library's scheduler goes from stair to stair, or back up from where it has come down to, it is meant to.
    """
    step = ceil(end - 1e-12 * abs(end)) if end < seen.stop else seen.stop
    if not seen.start < step < seen.stop:
        return
    steps = [step - 2 if step - 2 >= seen.start else step - 1, step - 1, step, min(step + 1, seen.stop - 1)]
    earlier, left, right, later = seen.at(steps).tolist()
    steep = abs(right - left) > STEEP * max(abs(left - earlier), abs(later - right))
    stairs, restart = earlier == left and right == later, earlier > left and right > left
    if not (steep and seen.differ(left, right)) or (not written and (stairs or restart)):
        return
    limit = float(build(lower(before))(np.array([length]))[0])
    first = float(build(lower(after))(np.zeros(1))[0])
    if seen.differ(limit, first):
        change = f", {100 * (right - left) / left:+.3g} %" if left else ""
        detail = f"it jumps from {number(left)} to {number(right)} at step {step}{change}"
        yield Warned(code="jump", detail=detail, pointer=pointer)


def _repeat(spec: native.Repeat, pointer: str) -> Iterator[Warned]:
    steps = float(spec.steps)
    joins = islice(build(lower(spec.of)).joins(steps, 2 * steps), MAX_JOINS)
    beyond = [join for join in joins if join > steps * (1 + 1e-6)]
    if beyond:
        detail = f"what is repeated goes on until {max(beyond):g}, but a cycle ends after {steps:g} steps"
        yield Warned(code="cycle-cut", detail=detail, pointer=pointer)


def _fold(spec: MetricFold, pointer: str, *, written: bool) -> Iterator[Warned]:
    if written and spec.threshold_mode == "signed" and spec.threshold > 0:  # libraries have no other
        detail = "for a metric below 0 its threshold has the wrong sign; `rel` takes the absolute value of the best"
        yield Warned(code="signed-threshold", detail=detail, pointer=pointer)
    if isinstance(spec, ReduceOnPlateau) and spec.patience_test == "equal" and spec.patience == 0:
        detail = "with patience 0 and test `equal` it reduces on every improvement and never on a plateau"
        yield Warned(code="reduces-on-improvement", detail=detail, pointer=pointer)
