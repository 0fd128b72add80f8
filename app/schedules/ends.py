"""How the end of a curve and the end of its run fit together, and what a run does not move: warnings off the values."""

from collections.abc import Iterator
from math import inf

import numpy as np

from app.schedules.explain import Time, number, on_clock
from app.schedules.look import Look
from app.schedules.tree import children
from schemas import schedules as native
from schemas.base import Warned
from schemas.folds import MetricFold
from schemas.shorthands import Warmup
from schemas.specs import Lowered, Spec

SLACK = 0.01  # of the run, and a step: ends that are no farther apart are meant to be the same
CREEP = 0.05  # of the peak; a curve that is nearer to its end half-way does not come to it, it creeps
STEEP = 4  # a change so many times those beside it is a jump
MANY_STEPS, SOME_EPOCHS = 20, 1 / 3  # of an epoch; of the run: as early no curve ends that is laid out in steps


def zeros(seen: Look) -> Iterator[Warned]:
    """A rate that is 0, at the start or all the time."""
    if not np.any(seen.values != 0):
        yield Warned(code="always-zero", detail="the rate is 0 in the whole run, which learns nothing")
    elif seen.values[0] == 0:
        detail = "the first update has rate 0 and changes nothing; start a little above 0"
        yield Warned(code="starts-at-zero", detail=detail)


def ends(track: Spec, seen: Look) -> Iterator[Warned]:
    """A curve that ends after its run, long before, or never; pointers are to the part of it that does."""
    if seen.still == seen.start:
        together = seen.settled is not None and seen.settled <= seen.stop + _slack(seen)
        if seen.changes is not None and not together and seen.stop - seen.start > 1:
            detail = f"it is {number(seen.values[-1])} in the whole run: it would change at step {seen.changes}, "
            yield Warned(code="never-changes", detail=detail + f"but the run ends at {seen.stop}")
        return
    for step, warning in (*_late(track, seen), *_early(track, seen), *_again(seen)):
        yield warning.under(_part(track, Time(), step))


def in_epochs(seen: Look, steps_per_epoch: float) -> Iterator[Warned]:
    """A curve that has come down to its end before as many steps are done as the run has epochs."""
    if not MANY_STEPS <= steps_per_epoch <= seen.stop / 2:
        return
    epochs = seen.stop / steps_per_epoch
    end = seen.still if seen.last_join is None or seen.settled is not None else seen.last_join
    if SOME_EPOCHS * epochs <= end <= epochs + 1 and seen.start < end and seen.at([end - 1])[0] > seen.at([end])[0]:
        detail = f"the curve ends at step {end}, and the run has {epochs:g} epochs"
        yield Warned(code="looks-like-epochs", detail=f'{detail}; if epochs are meant, write "{end}ep"')


def _late(track: Spec, seen: Look) -> Iterator[tuple[int, Warned]]:
    """The curve comes to its end only after the run; a bound that it would come to is none."""
    end = seen.end
    if end is None or end <= seen.stop + _slack(seen) or _at_a_bound(track, end, seen.ahead):
        return
    last: float = seen.values[-1]
    left, before, reached = seen.at([end - 2, end - 1, end]).tolist()
    if abs(reached - before) > STEEP * abs(before - left) and seen.differ(before, last):
        end, reached = end - 1, before  # a cycle comes to its end a step before the next one begins
    if seen.differ(reached, last) and (seen.differ(reached, before) or not _creeps(seen, end, reached)):
        detail = f"it would reach {number(reached)} at step {end}, but the run ends at {seen.stop}"
        yield end - 1, Warned(code="end-never-comes", detail=detail)


def _early(track: Spec, seen: Look) -> Iterator[tuple[int, Warned]]:
    """The curve has come down to its end long before the run has.

    A stair, a bound, and what the user has written as a part of its own are meant to last; what creeps has no end.
    """
    end = seen.still
    earlier, before, value = seen.at([_back(seen, end - 1), end - 1, end]).tolist()
    if track.lasts or seen.stop - end <= _slack(seen) or not earlier != before > value or seen.changes is not None:
        return
    meant = _creeps(seen, end, value) or _at_a_bound(track, end, seen.joins)
    if not meant and _part(track, Time(), end) == _part(track, Time(), end - 1):
        detail = f"it reaches {number(value)} at step {end} and stays there until the run ends at {seen.stop}"
        yield end - 1, Warned(code="ends-early", detail=detail)


def _again(seen: Look) -> Iterator[tuple[int, Warned]]:
    """The curve has come down to its end, and goes up again."""
    end = seen.last_join
    if end is None or seen.settled is not None or seen.stop - end <= _slack(seen):
        return
    before, value = seen.at([_back(seen, end), end]).tolist()
    highest = int(np.argmax(np.where(seen.steps > end, seen.values, -inf)))
    if before > value and seen.values[highest] - value > SLACK * seen.peak:
        rise = f"{number(seen.values[highest])} at step {seen.steps[highest]}"
        detail = f"it comes down to {number(value)} at step {end} and then rises again, to {rise}"
        yield end - 1, Warned(code="rises-again", detail=detail)


def _slack(seen: Look) -> float:
    return 1 + SLACK * (seen.stop - seen.start)


def _back(seen: Look, step: int) -> int:
    """A step before another one, in the same breath of the curve."""
    return max(seen.start, step - max(1, (step - seen.start) // 50))


def _creeps(seen: Look, end: int, reached: float) -> bool:
    """Whether the curve is so near to its last value half-way that it has no end but where numbers have theirs."""
    half = [seen.start + int(share * (end - seen.start)) for share in (0.4, 0.5, 0.6)]
    return bool(np.max(np.abs(seen.at(half) - reached)) <= CREEP * max(seen.peak, abs(reached)))


def _at_a_bound(track: Spec, end: int, joins: list[int]) -> bool:
    """Whether the curve ends where a bound holds it, and not where one of its pieces does."""
    return _bounded(track) and not any(join >= end for join in joins)


def _bounded(spec: Spec) -> bool:
    """Whether a `clamp` keeps it, or a part of it, above something."""
    if isinstance(spec, Lowered):
        return _bounded(spec.lower())
    own = isinstance(spec, native.Clamp) and spec.min is not None
    return own or any(_bounded(child) for child, _ in children(spec))


def _part(spec: Spec, time: Time, step: float) -> str:
    """The pointer to the innermost part that the user has written and that is in force at a step."""
    u = time.at(step)
    match spec:
        case native.Sequence():
            begins = np.cumsum([0.0, *(float(phase.steps or 0) for phase in spec.phases[:-1])])
            index = max(int(np.searchsorted(begins, u, side="right")) - 1, 0)
            inner = time.then(1.0, -float(begins[index]))
            return f"/phases/{index}/schedule{_part(spec.phases[index].schedule, inner, step)}"
        case Warmup() if u >= float(spec.steps):
            return f"/then{_part(spec.then, time.then(1.0, -float(spec.steps)), step)}"
        case native.Clock(held=True) if u >= spec.from_:
            return ""
        case native.Clock():
            return f"/of{_part(spec.of, on_clock(spec, time, step), step)}"
        case native.Scale() | native.Clamp() | native.Float32() | MetricFold():
            return f"/of{_part(spec.of, time, step)}"
    return ""
