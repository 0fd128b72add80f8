"""What a curve must keep before a plan is accepted: finite, not negative, within the run's bounds (rule R9)."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from app.control.curve import Curve
from app.errors import Invalid, escape
from app.schedules import CompiledPlan, check_finite
from app.schedules.compiled import follows_metric
from app.store import RevisionRow
from schemas.base import Warned

STEPS_WITHOUT_END = 2**20
CHUNK = 2**16
MOST_DENSE = 2**24
LOOKED_AT = 1000  # steps, and joins, of a track that may have changed
JUMP = 0.5  # relative; a larger change at one step is worth a warning

Json = dict[str, Any]


def check_curve(curve: Curve, start: int, bounds: Mapping[str, Json]) -> None:
    """Raises `Invalid` with the first bad step of the curve from `start` to its end (2**20 steps where it has none)."""
    for index in range(curve.history.at(start), len(curve.history.rows)):
        check_stretch(curve, index, start, bounds)


def check_stretch(curve: Curve, index: int, start: int, bounds: Mapping[str, Json]) -> None:
    """Raises `Invalid` where one revision's stretch, from `start` on, is no curve that a run can follow.

    Bounds do not hold for what was forced.
    """
    rows, compiled, total = curve.history.rows, curve.compiled(index), curve.plan(index).total_steps
    row = rows[index]
    lower = max(start, row.from_step)
    if index + 1 < len(rows):
        upper = rows[index + 1].from_step
    else:
        upper = max(total if total is not None and total > start else start + STEPS_WITHOUT_END, row.from_step + 1)
    if lower < upper:
        bad = check_finite(compiled, lower, upper)
        if bad is not None:
            track, step, value = bad
            raise Invalid.at("", f"{track} would be {value} at step {step}; values must be finite and not negative")
    for track, bound in () if row.forced else bounds.items():
        if track in compiled.base or track in compiled.derived:
            _check_bound(compiled, track, bound, lower, upper)
            if bound.get("max_factor") is not None and index > 0 and row.from_step >= start:
                _check_factor(curve, index, track, float(bound["max_factor"]))


def jumps(before: Curve, after: Curve, step: int) -> list[Warned]:
    """A warning for each base track that changes by more than half, or to or from 0, at `step`."""
    old, new = (curve.compiled(curve.history.at(step)) for curve in (before, after))
    warnings = []
    for track in new.base:
        if track in old.base:
            was, becomes = float(old.at(track, step)[0]), float(new.at(track, step)[0])
            if abs(becomes - was) > JUMP * abs(was):
                change = f" ({100 * (becomes / was - 1):+.4g} %)" if was else ""
                detail = f"{track} jumps from {was:.6g} to {becomes:.6g} at step {step}{change}"
                warnings.append(Warned(code="jump", detail=detail, pointer=f"/tracks/{escape(track)}"))
    return warnings


def unchanged(before: Curve, after: Curve, row: RevisionRow) -> list[Warned]:
    """A warning where a revision changes no value, nor the end of the run; a thousand steps are looked at.

    What follows a metric is left out: an action may change what a report does.
    """
    old, new = (curve.plan(len(curve.history.rows) - 1) for curve in (before, after))
    if old.total_steps != new.total_steps or follows_metric(new):
        return []
    start = row.from_step
    stop = max(new.total_steps or 0, start + 1) if new.total_steps else start + STEPS_WITHOUT_END
    begins = {revision.from_step for curve in (before, after) for revision in curve.history.rows}
    for lower, upper in pairwise([start, *sorted(step for step in begins if start < step < stop), stop]):
        plans = [curve.compiled(curve.history.at(lower)) for curve in (before, after)]
        if not _same(plans[0], plans[1], lower, upper):
            return []
    detail = f"revision {row.number} changes no value: from step {start} on they are what they were"
    return [Warned(code="changes-nothing", detail=detail)]


def _same(old: CompiledPlan, new: CompiledPlan, start: int, stop: int) -> bool:
    """Whether two plans have the same tracks, and the same values in [start, stop), as far as they are looked at."""
    if old is new:
        return True
    if old.base != new.base or old.derived != new.derived:
        return False
    for track in new.base:
        joins = [step for plan in (old, new) for step in plan.joins(track, start, stop, most=LOOKED_AT)]
        steps = np.union1d(np.linspace(start, stop - 1, LOOKED_AT).astype(np.int64), np.array(joins, np.int64))
        if not np.allclose(old.at(track, steps), new.at(track, steps), rtol=1e-12, atol=0.0):
            return False
    return True


def _check_bound(compiled: CompiledPlan, track: str, bound: Json, lower: int, upper: int) -> None:
    least, most = bound.get("min"), bound.get("max")
    if least is None and most is None:
        return
    for start in range(lower, min(upper, lower + MOST_DENSE), CHUNK):
        values = compiled.values(track, start, min(start + CHUNK, upper))
        for name, bad in (("min", values < (least or 0.0)), ("max", values > (np.inf if most is None else most))):
            if bad.any():
                i = int(np.argmax(bad))
                raise Invalid.at(
                    "", f"{track} would be {values[i]!s} at step {start + i}; the run's bound {name} is {bound[name]}"
                )


def _check_factor(curve: Curve, index: int, track: str, most: float) -> None:
    old, new, step = curve.compiled(index - 1), curve.compiled(index), curve.history.rows[index].from_step
    if not all(track in plan.base or track in plan.derived for plan in (old, new)):
        return
    was, becomes = float(old.at(track, step)[0]), float(new.at(track, step)[0])
    if not was / most <= becomes <= was * most:
        raise Invalid.at(
            "",
            f"{track} would change from {was:.6g} to {becomes:.6g} at step {step}; "
            f"the run's bound max_factor is {most:g}",
        )
