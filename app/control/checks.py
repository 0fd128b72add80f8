"""What a curve must keep before a plan is accepted: finite, not negative, within the run's bounds (rule R9)."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.control.history import in_force, load_plan, pieces
from app.errors import Invalid
from app.schedules import CompiledPlan, check_finite, compile_plan
from app.store import RevisionRow, RunRow

STEPS_WITHOUT_END = 2**20
CHUNK = 2**16
MOST_DENSE = 2**24
JUMP = 0.5  # relative; a larger change at one step is worth a warning

Json = dict[str, Any]


def check_curve(history: Sequence[RevisionRow], start: int, bounds: Mapping[str, Json], *, pointer: str) -> None:
    """Raises `Invalid` with the first bad step of the curve from `start` to its end (2**20 steps where it has none)."""
    total = load_plan(history[-1].plan).total_steps
    stop = total if total is not None and total > start else start + STEPS_WITHOUT_END
    stop = max(stop, history[-1].from_step + 1)
    for row, lower, upper in pieces(history, start, stop):
        compiled = compile_plan(load_plan(row.plan))
        bad = check_finite(compiled, lower, upper)
        if bad is not None:
            track, step, value = bad
            raise Invalid.at(
                pointer, f"{track} would be {value} at step {step}; values must be finite and not negative"
            )
        for track, bound in bounds.items():
            if track in compiled.base or track in compiled.derived:
                _check_bound(compiled, track, bound, lower, upper, pointer)
    for track, bound in bounds.items():
        if bound.get("max_factor") is not None:
            _check_factor(history, track, float(bound["max_factor"]), start, pointer)


def jumps(before: Sequence[RevisionRow], after: Sequence[RevisionRow], step: int, run: RunRow) -> list[Json]:
    """A warning for each base track that changes by more than half, or to or from 0, at `step`."""
    old, new = (compile_plan(load_plan(in_force(rows, step).plan)) for rows in (before, after))
    warnings = []
    for track in new.base:
        if track in old.base:
            was, becomes = float(old.at(track, step)[0]), float(new.at(track, step)[0])
            if abs(becomes - was) > JUMP * abs(was):
                change = f" ({100 * (becomes / was - 1):+.4g} %)" if was else ""
                detail = f"{track} jumps from {was:.6g} to {becomes:.6g} at step {step}{change}"
                warnings.append({"code": "jump", "detail": detail, "pointer": f"/tracks/{track.replace('/', '~1')}"})
    return warnings


def _check_bound(compiled: CompiledPlan, track: str, bound: Json, lower: int, upper: int, pointer: str) -> None:
    least, most = bound.get("min"), bound.get("max")
    if least is None and most is None:
        return
    for start in range(lower, min(upper, lower + MOST_DENSE), CHUNK):
        values = compiled.values(track, start, min(start + CHUNK, upper))
        for name, bad in (("min", values < (least or 0.0)), ("max", values > (np.inf if most is None else most))):
            if bad.any():
                i = int(np.argmax(bad))
                raise Invalid.at(
                    pointer,
                    f"{track} would be {values[i]!s} at step {start + i}; the run's bound {name} is {bound[name]}",
                )


def _check_factor(history: Sequence[RevisionRow], track: str, most: float, start: int, pointer: str) -> None:
    for before, row in itertools.pairwise(history):
        old, new = compile_plan(load_plan(before.plan)), compile_plan(load_plan(row.plan))
        if row.from_step < start or not all(track in plan.base or track in plan.derived for plan in (old, new)):
            continue
        was, becomes = float(old.at(track, row.from_step)[0]), float(new.at(track, row.from_step)[0])
        if not was / most <= becomes <= was * most:
            raise Invalid.at(
                pointer,
                f"{track} would change from {was:.6g} to {becomes:.6g} at step {row.from_step}; "
                f"the run's bound max_factor is {most:g}",
            )
