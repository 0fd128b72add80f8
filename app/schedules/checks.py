"""Whether a run can follow a plan: its values must be finite and not negative (PROTOCOL R9)."""

from collections.abc import Iterator

import numpy as np

from app.schedules.compiled import CompiledPlan, Values

DENSE = 2**24  # values checked one by one, all tracks together
WORK = 2**31  # passes over values, for plans that cost more than usual
CHUNK = 2**16
COARSE = 2**16  # steps per track checked beyond those


def check_finite(plan: CompiledPlan, start: int, stop: int) -> tuple[str, int, float] | None:
    """The first (track, step, value) in [start, stop) that is not finite or is negative, or None.

    Every step is checked for the first 2**24 values (all base tracks together; fewer for plans that are slow to
    evaluate). Beyond them an even grid of 2**16 steps per track is, the last step, and the steps around every join.
    A derived track is checked where its factor could overflow.
    """
    dense_stop = min(stop, start + min(DENSE // len(plan.base), WORK // plan.cost()))
    largest = {name: max([1.0, *(d.times for d in plan.derived.values() if d.of == name)]) for name in plan.base}
    for steps in _chunks(plan, start, dense_stop, stop):
        found = [
            (int(steps[bad]), name, float(values[bad]))
            for name in plan.base
            if (bad := _first_bad(values := plan.at(name, steps), largest[name])) is not None
        ]
        if found:
            step, name, value = min(found, key=lambda item: item[:2])
            return name, step, value
    return None


def _chunks(plan: CompiledPlan, start: int, dense_stop: int, stop: int) -> Iterator[np.ndarray]:
    for first in range(start, dense_stop, CHUNK):
        yield np.arange(first, min(first + CHUNK, dense_stop))
    if dense_stop < stop:
        grid = np.arange(dense_stop, stop, max(1, (stop - dense_stop) // COARSE))
        joins = [step for name in plan.base for step in plan.joins(name, dense_stop, stop)]
        around = np.array([*joins, *(step - 1 for step in joins), stop - 1], dtype=np.int64)
        yield np.union1d(grid, around)


def _first_bad(values: Values, times: float) -> int | None:
    with np.errstate(over="ignore", invalid="ignore"):
        bad = ~(np.isfinite(values * times) & (values >= 0))
    return int(np.argmax(bad)) if bad.any() else None
