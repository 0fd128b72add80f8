"""What a run sees of a curve: values at chosen steps, where it has joins, and from when on it stays the same.

Whoever looks asks for thousands of steps, not for all: as much for a run of a billion steps as for one of a thousand.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.schedules.compiled import CompiledPlan, Values
from app.schedules.tree import children
from schemas import schedules as native
from schemas.base import MAX_STEP
from schemas.specs import Spec

FAR = 2**40  # nothing beyond it is looked at
MOST_JOINS = 1000  # of a run
MOST_AHEAD = 250  # joins beyond it
GRID = 1024
LONGEST_RECURRENCE = 2**18  # steps, which take a tenth of a second one by one
SHORT_RECURRENCE = 2**14  # steps that may be taken beyond the run
ROUNDING = 1e-6  # of the highest value; less is no change
LAST = 8  # steps looked at; a value that stays the same over them stays so for ever
GROWTH = 1.37  # of the distances beyond the run: no power of it is a multiple of a period

Steps = NDArray[np.int64]


@dataclass(frozen=True)
class Look:
    """A track over the steps start to stop - 1 of a run, and what is to be seen beyond."""

    at: Callable[[ArrayLike], Values]
    """The values at any steps."""
    start: int
    stop: int
    whole: bool
    """Whether the run ends at `stop`; else nothing is said about its end."""
    steps: Steps
    """Those looked at: the ends, a grid, and those around joins; ascending."""
    values: Values
    """At those."""
    beyond: Steps
    """Some from `stop` on, ever farther apart."""
    joins: list[int]
    """The first steps of the curve's pieces within the run, ascending."""
    ahead: list[int]
    """Those beyond it, the first ones."""
    endless: bool
    """Whether joins come again and again."""
    settled: int | None
    """The step from which on the value is the same for ever."""
    changes: int | None
    """The first step beyond the run whose value is not the last one of the run."""

    @property
    def peak(self) -> float:
        """The largest value by size, of those looked at."""
        return float(np.max(np.abs(self.values)))

    @property
    def end(self) -> int | None:
        """The step at which the curve comes to an end: it stays as it is, or begins its last piece, or comes again."""
        if self.endless:
            return None if self.joins or not self.ahead else self.ahead[0]
        return self.settled if self.settled is not None or not self.ahead else self.ahead[-1]

    @property
    def last_join(self) -> int | None:
        """The last join, if it lies within the run; none where joins come again and again."""
        known = len(self.joins) < MOST_JOINS and not self.ahead and not self.endless
        return self.joins[-1] if self.joins and known else None

    @cached_property
    def still(self) -> int:
        """The first step from which on the value does not change within the run."""
        return _settles(self.at, self.steps, self.values)

    def differ(self, one: float, two: float) -> bool:
        """Whether two values differ by more than rounding."""
        return abs(one - two) > ROUNDING * max(abs(one), abs(two), self.peak)


@lru_cache(maxsize=64)
def look(plan: CompiledPlan, track: str, start: int, stop: int | None) -> Look | None:
    """What a run sees of a base track from `start` on; without an end as far as there are joins. The last are kept.

    None for a recurrence over more steps than may be computed for a look, and for values that are no numbers.
    """
    recurrence = _recurrence(plan.native[track])
    if min(recurrence, stop or 0) > LONGEST_RECURRENCE:
        return None
    whole = stop is not None and stop > start
    if stop is None or stop <= start:
        stop = max(plan.joins(track, start + 1, start + FAR, most=MOST_AHEAD), default=start + 99) + 1
    far = stop + 1 if recurrence > max(stop, SHORT_RECURRENCE) else min(max(FAR, 64 * stop), MAX_STEP)
    joins = plan.joins(track, start + 1, stop, most=MOST_JOINS)
    ahead = plan.joins(track, stop, far, most=MOST_AHEAD)
    steps, beyond = _within(start, stop, joins), _beyond(start, stop, far, ahead)

    def at(asked: ArrayLike) -> Values:
        return plan.at(track, asked)

    values, later = at(steps), at(beyond)
    if not np.isfinite(values).all():
        return None
    settled = None
    if beyond.size >= LAST and np.isfinite(later).all():
        found = _settles(at, np.concatenate([steps, beyond]), np.concatenate([values, later]))
        limited = recurrence and found > stop  # where the computing ends, not the curve
        settled = None if limited or found > beyond[-LAST] else found
    changes = _changes(at, np.concatenate([steps[-1:], beyond]), np.concatenate([values[-1:], later]))
    endless = bool(plan.joins(track, max(far // 2, stop), far, most=1))
    return Look(at, start, stop, whole, steps, values, beyond, joins, ahead, endless, settled, changes)


def _within(start: int, stop: int, joins: list[int]) -> Steps:
    """Steps of [start, stop): a grid, finer at both ends, and three before and two from every join on."""
    last = stop - 1
    powers = 2 ** np.arange(max(1, stop - start).bit_length())
    around = (np.array(joins, np.int64)[:, None] + np.arange(-3, 2)).ravel()
    grid = np.linspace(start, last, GRID).astype(np.int64)
    steps = np.unique(np.concatenate([grid, start + powers - 1, last - powers + 1, around]))
    return steps[(steps >= start) & (steps <= last)]


def _beyond(start: int, stop: int, far: int, ahead: list[int]) -> Steps:
    """Steps from `stop` to `far`, ever farther apart, and those around joins."""
    distances = (stop - start) * (GROWTH ** np.arange(100) - 1)
    around = (np.array(ahead, np.int64)[:, None] + np.arange(-3, 2)).ravel()
    steps = np.unique(np.concatenate([stop + distances[distances < far].astype(np.int64), around]))
    return steps[(steps >= stop) & (steps < far)]


def _settles(at: Callable[[ArrayLike], Values], steps: Steps, values: Values) -> int:
    """The first step from which on the value is that of the last step; what lies between two steps is sought."""
    differs = np.flatnonzero(values != values[-1])
    if not differs.size:
        return int(steps[0])
    before, after = int(steps[differs[-1]]), int(steps[differs[-1] + 1])
    between = range(before + 1, after)
    return before + 1 + bisect_left(between, True, key=lambda step: bool(at([step])[0] == values[-1]))


def _changes(at: Callable[[ArrayLike], Values], steps: Steps, values: Values) -> int | None:
    """The first step whose value is not that of the first step; what lies between two steps is sought."""
    differs = np.flatnonzero(values != values[0])
    if not differs.size:
        return None
    before, after = int(steps[differs[0] - 1]), int(steps[differs[0]])
    between = range(before + 1, after)
    return before + 1 + bisect_left(between, True, key=lambda step: bool(at([step])[0] != values[0]))


def _recurrence(spec: Spec) -> int:
    """The last step that a recurrence in it computes; 0 without one."""
    own = spec.limit if isinstance(spec, native.Iterate) else 0
    return max([own, *(_recurrence(child) for child, _ in children(spec))])
