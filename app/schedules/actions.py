"""What an action makes of a plan (ALGEBRA §4).

Every touched track is kept as factors * clock * X, where X is what the user wrote. Actions edit the factors, the
clock's line, or X, so a plan never grows by more than a factor and a clock however many actions it has seen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, isfinite, nextafter, sqrt

import numpy as np
from pydantic import ValidationError

from app.errors import Invalid, NotHeld, escape
from app.schedules.build import build, lower
from app.schedules.durations import resolve, resolve_duration
from schemas import actions
from schemas import schedules as native
from schemas.base import MAX_STEP, Warned
from schemas.plans import Plan, TrackSpec
from schemas.specs import Spec

Rollback = Callable[[int], Plan]
ValueAction = (
    actions.ScaleAction | actions.SetAction | actions.RampAction | actions.CooldownAction | actions.BatchAction
)
ClockAction = actions.HoldAction | actions.ResumeAction | actions.StretchAction


@dataclass(frozen=True)
class Line:
    """A clock's line through (start, at) and (to, end), stopped at `at` if held."""

    start: float
    at: float
    to: float
    end: float
    held: bool = False

    def read(self, step: float) -> float:
        """The reading at an outer time."""
        if self.held:
            return self.at if step >= self.start else max(self.at + (step - self.start), 0.0)
        if self.end - self.at == self.to - self.start:
            return max(self.at + (step - self.start), 0.0)
        if step == self.to:
            return self.end
        return max((step - self.start) * (self.end - self.at) / (self.to - self.start) + self.at, 0.0)

    def holds(self, step: float) -> bool:
        """Whether the clock stands still at an outer time."""
        return self.held and step >= self.start

    def moved(self, step: float) -> "Line":
        """The same line, written from (step, its reading there)."""
        at = self.read(step)
        if step < self.to:
            return replace(self, start=step, at=at)
        pace = (self.end - self.at) / (self.to - self.start)
        if pace < 0 < at:
            return Line(step, at, step + at / -pace, 0.0, self.held)
        return Line(step, at, step + 1, at + max(pace, 0.0), self.held)


@dataclass(frozen=True)
class Parts:
    """A track taken apart: scale(factors[0], scale(factors[1], ... clock(line, spec)))."""

    factors: tuple[float, ...]
    line: Line
    spec: Spec


def apply_action(plan: Plan, action: actions.Action, step: int, *, rollback: Rollback) -> Plan:
    """The plan from `step` on, of the resolved plan in force there. Both are resolved.

    `rollback(number)` gives the plan of a revision. `cancel` changes nothing here: the caller takes the revision away.

    Raises `Invalid` with pointers relative to the action, and `NotHeld` for a `resume` where nothing is held.
    """
    match action:
        case actions.CancelAction():
            return plan
        case actions.RollbackAction(revision=revision):
            return _with_later_tracks(rollback(revision), plan)
        case actions.ReplaceAction():
            return _replaced(plan, action, step)
        case actions.HoldAction() | actions.ResumeAction() | actions.StretchAction():
            return _on_clocks(plan, action, step)
        case _:
            return _on_values(plan, action, step)


def losses(plan: Plan, action: actions.Action) -> list[Warned]:
    """Warnings for what `set` drops of the plan in force: a curve, and the rule that follows a metric."""
    if not isinstance(action, actions.SetAction):
        return []
    return [
        Warned(
            code="curve-dropped",
            detail=f"`set` drops the curve of {name}, and what follows a metric in it; `rollback` brings it back",
            pointer=f"/tracks/{escape(name)}",
        )
        for name in _names(plan, action.tracks, ["lr"])
        if not isinstance(plan.tracks[name], native.Constant)
    ]


def _on_values(plan: Plan, action: ValueAction, step: int) -> Plan:
    names = _names(plan, action.tracks, ["lr"])
    total = plan.total_steps
    if isinstance(action, actions.RampAction | actions.CooldownAction):
        steps = resolve_duration(action.steps, total, plan.steps_per_epoch, "/steps")
        if isinstance(action, actions.CooldownAction):
            total = _total(step + ceil(steps), "/steps")
        return _checked(plan, {name: _ramp(plan, name, action, step, steps, total) for name in names}, total)
    if isinstance(action, actions.SetAction):
        constant = native.Constant(kind="constant", value=action.value)
        return _checked(plan, dict.fromkeys(names, constant), total)
    return _checked(plan, {name: _scaled(plan, name, action, step, names) for name in names}, total)


def _ramp(
    plan: Plan,
    name: str,
    action: actions.RampAction | actions.CooldownAction,
    step: int,
    steps: float,
    total: int | None,
) -> Spec:
    value = _value(_inlined(plan, name), step)
    if action.shape == "exponential" and not (value > 0 and action.to > 0):
        raise Invalid.at("/shape", f"an exponential ramp needs values above 0; {name} goes from {value} to {action.to}")
    ramp = native.Ramp(kind="ramp", start=value, end=action.to, steps=steps, shape=action.shape, power=action.power)
    return _join(Parts((), _line_from(step, 0.0, total), ramp))


def _scaled(
    plan: Plan, name: str, action: actions.ScaleAction | actions.BatchAction, step: int, names: Sequence[str]
) -> Spec:
    """A track times a number. A derived track whose base is scaled in the same breath follows that."""
    track = plan.tracks[name]
    if isinstance(track, TrackSpec):
        follows = track.of in names
        if isinstance(action, actions.ScaleAction) and action.to is not None:
            inner = action.to if follows else _value(plan.tracks[track.of], step)
            return track.model_copy(update={"factor": _factor_to(action.to, inner, name, step)})
        return track if follows else track.model_copy(update={"factor": _times(track.factor, action)})
    parts = _split(track, plan.total_steps)
    outer, rest = (parts.factors or (1.0,))[0], parts.factors[1:]
    if isinstance(action, actions.ScaleAction) and action.to is not None:
        inner = _value(_join(replace(parts, factors=rest)), step)
        return _join(replace(parts, factors=(_factor_to(action.to, inner, name, step), *rest)))
    return _join(replace(parts, factors=(_times(outer, action), *rest)))


def _times(factor: float, action: actions.ScaleAction | actions.BatchAction) -> float:
    if isinstance(action, actions.BatchAction):
        ratio = action.to / action.from_
        new, at = factor * (sqrt(ratio) if action.rule == "sqrt" else ratio), "/to"
    else:
        new, at = factor * (1.0 if action.factor is None else action.factor), "/factor"
    if not isfinite(new):
        raise Invalid.at(at, "the factor that comes out is too large for a float64")
    return new


def _factor_to(target: float, inner: float, name: str, step: int) -> float:
    """The factor that takes `inner` to `target`, exactly where a float64 can."""
    factor = target / inner if inner else inf
    if not isfinite(factor):
        raise Invalid.at(
            "/to", f"{name} is {inner} at step {step}, so no factor leads to {target}; use `set`, `ramp` or `replace`"
        )
    near = (factor, nextafter(factor, inf), nextafter(factor, 0.0))
    return next((candidate for candidate in near if candidate * inner == target), factor)


def _on_clocks(plan: Plan, action: ClockAction, step: int) -> Plan:
    base = [name for name, track in plan.tracks.items() if not isinstance(track, TrackSpec)]
    names = _names(plan, action.tracks, base)
    taken = {name: _split(_inlined(plan, name), plan.total_steps) for name in names}
    total = plan.total_steps
    if isinstance(action, actions.ResumeAction):
        held = {name: parts for name, parts in taken.items() if parts.line.holds(step)}
        if not held:
            raise NotHeld(f"nothing is held at step {step}: {', '.join(names)} run on their clocks")
        lines = {name: _resumed(parts.line, step) for name, parts in held.items()}
    elif isinstance(action, actions.HoldAction):
        running = {name: parts for name, parts in taken.items() if not parts.line.holds(step)}
        lines = {name: replace(parts.line.moved(step), held=True) for name, parts in running.items()}
    else:
        if total is None:
            raise Invalid.at("/total_steps", "the plan has no `total_steps`, so there is no end to move")
        if action.total_steps <= step:
            raise Invalid.at("/total_steps", f"the new end must be after step {step}, where the change takes effect")
        lines = {name: _stretched(parts.line, step, total, action.total_steps) for name, parts in taken.items()}
        total = action.total_steps
    return _checked(plan, {name: _join(replace(taken[name], line=line)) for name, line in lines.items()}, total)


def _resumed(line: Line, step: int) -> Line:
    return Line(step, line.at, line.to + (step - line.start), line.end)


def _stretched(line: Line, step: int, total: int, new_total: int) -> Line:
    """The rest of the curve, up to where it would have read at the old end at the latest, by `new_total`."""
    at = line.read(step)
    return Line(step, at, new_total, max(line.end, replace(line, held=False).read(total), at))


def _replaced(plan: Plan, action: actions.ReplaceAction, step: int) -> Plan:
    try:
        new = resolve(action.plan)
    except Invalid as error:
        raise error.under("/plan") from error
    dropped = sorted(set(plan.tracks) - set(new.tracks))
    if dropped:
        raise Invalid.at(
            "/plan/tracks", f"the new plan lacks {', '.join(dropped[:5])}: a revision may add tracks but not drop one"
        )
    if set(new.relative) != set(plan.relative):
        there = f"has {', '.join(plan.relative)}" if plan.relative else "has none"
        raise Invalid.at("/plan/relative", f"a revision keeps which tracks are relative: the run {there}")
    if action.at is None or action.at == step:
        return new
    total = None if new.total_steps is None else _total(step - action.at + new.total_steps, "/at")
    tracks = {
        name: track
        if isinstance(track, TrackSpec)
        else _join(_shifted(_split(track, new.total_steps), step, action.at))
        for name, track in new.tracks.items()
    }
    return _checked(new, tracks, total)


def _shifted(parts: Parts, step: int, at: int) -> Parts:
    """A track whose outer clock shows `at` at `step`."""
    line, moved = parts.line, step - at
    return replace(parts, line=replace(line, start=line.start + moved, to=line.to + moved))


def _with_later_tracks(old: Plan, current: Plan) -> Plan:
    """An earlier plan, with the tracks that were added since as they stand now."""
    tracks = dict(old.tracks)
    for name, track in current.tracks.items():
        if name not in tracks:
            base = old.tracks.get(track.of) if isinstance(track, TrackSpec) else None
            if isinstance(track, TrackSpec) and isinstance(base, TrackSpec):
                track = track.model_copy(update={"of": base.of, "factor": track.factor * base.factor})
            tracks[name] = track
    return old.model_copy(update={"tracks": tracks})


def _names(plan: Plan, chosen: Sequence[str] | None, default: Sequence[str]) -> list[str]:
    for index, name in enumerate(chosen or ()):
        if name not in plan.tracks:
            raise Invalid.at(f"/tracks/{index}", f"the plan has no track {name}; it has {_some(plan)}")
    names = list(dict.fromkeys(chosen or default))
    if any(name not in plan.tracks for name in names):
        raise Invalid.at("/tracks", f"the plan has no track lr: say which tracks to change, of {_some(plan)}")
    return names


def _some(plan: Plan) -> str:
    names = sorted(plan.tracks)
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _value(track: Spec, step: int) -> float:
    """The value that a track would have had at `step`."""
    with np.errstate(all="ignore"):
        value = float(build(lower(track))(np.array([float(step)]))[0])
    if not isfinite(value):
        raise Invalid.at("", f"the value at step {step} is {value}, so there is nothing to start from")
    return value


def _inlined(plan: Plan, name: str) -> Spec:
    """A track on its own: a derived one as its factor times its base."""
    track = plan.tracks[name]
    if not isinstance(track, TrackSpec):
        return track
    return native.Scale(kind="scale", factor=track.factor, of=plan.tracks[track.of])


def _line_from(step: int, at: float, total: int | None) -> Line:
    """A clock that keeps the run's pace and reads `at` at `step`; the curve ends with the run, if that ends."""
    to = total if total is not None and total > step else step + 1
    return Line(step, at, to, at + (to - step))


def _split(track: Spec, total: int | None) -> Parts:
    factors: list[float] = []
    while isinstance(track, native.Scale):
        factors.append(track.factor)
        track = track.of
    if isinstance(track, native.Clock):
        line = Line(track.from_, track.at, track.to, track.end, track.held)
        return Parts(tuple(factors), line, track.of)
    return Parts(tuple(factors), _line_from(0, 0.0, total), track)


def _join(parts: Parts) -> Spec:
    line, spec = parts.line, parts.spec
    if line.held or line.at != line.start or line.end != line.to:
        held: dict[str, bool] = {"held": True} if line.held else {}
        if not line.start < line.to <= MAX_STEP or max(line.end, line.at) > MAX_STEP:
            raise Invalid.at("", "the change leads beyond step 2**53")
        spec = native.Clock(kind="clock", of=spec, from_=line.start, at=line.at, to=line.to, end=line.end, **held)
    for factor in reversed(parts.factors):
        spec = native.Scale(kind="scale", factor=factor, of=spec)
    return spec


def _checked(plan: Plan, tracks: dict[str, Spec], total: int | None) -> Plan:
    """The plan with these tracks and this length, if that is still a plan."""
    changed: dict[str, object] = {"tracks": plan.tracks | tracks}
    if total != plan.total_steps:
        changed["total_steps"] = total
    new = plan.model_copy(update=changed)
    try:
        return Plan.model_validate(new.to_json())
    except ValidationError as error:
        raise Invalid.at("", f"the change leads to a plan that is none: {error.errors()[0]['msg']}") from error


def _total(steps: int, pointer: str) -> int:
    if steps > MAX_STEP:
        raise Invalid.at(pointer, "the run would end beyond step 2**53")
    return max(steps, 1)
