"""The actions, written a second time (ALGEBRA §4): what each makes of a plan at a step.

A track is `factor * curve(clock)`, `curve` being what the user wrote. Three readings where the text leaves a choice:
what was held already goes on being held since the first `hold`; a `stretch` takes the whole rest of the curve along,
also what a clock would have read beyond its own end by the old end of the plan; and a clock that reads the run's own
steps has no end but the plan's, also where another track's action has moved that.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.model.curves import Clock, Curve, Json, curve, steps

VALUE_ACTIONS = ("scale", "set", "ramp", "cooldown", "batch")


class Refused(Exception):
    """A refusal by its problem name, with the members that it must carry."""

    def __init__(self, name: str, why: str = "", **members: Any) -> None:
        super().__init__(f"{name}: {why}")
        self.name, self.members = name, members


@dataclass(frozen=True)
class Track:
    """factor * curve(clock(t))"""

    factor: float
    clock: Clock
    curve: Curve

    def at(self, t: float) -> float:
        """The value at step t."""
        return self.factor * self.curve(self.clock.read(t))


@dataclass(frozen=True)
class Derived:
    """`factor` times the base track `of`."""

    of: str
    factor: float


@dataclass(frozen=True)
class Plan:
    """Tracks by name, and how many steps the run has, if it ends."""

    tracks: dict[str, Track | Derived]
    total: int | None

    def track(self, name: str) -> Track:
        """A track on its own: a derived one is its factor times its base."""
        track = self.tracks[name]
        if isinstance(track, Track):
            return track
        base = self.track(track.of)
        return replace(base, factor=track.factor * base.factor)

    @property
    def base(self) -> list[str]:
        """The names of the tracks that are stored."""
        return [name for name, track in self.tracks.items() if isinstance(track, Track)]


def plan(spec: Json) -> Plan:
    """The plan that a user wrote."""
    total = spec.get("total_steps")
    tracks: dict[str, Track | Derived] = {}
    for name, track in spec["tracks"].items():
        if track["kind"] == "track":
            tracks[name] = Derived(track["of"], track["factor"])
        else:
            tracks[name] = Track(1.0, _from(0, 0.0, total), curve(track, total))
    return Plan(tracks, total)


def apply(plan_: Plan, action: Json, s: int, rollback: Callable[[int], Plan]) -> Plan:
    """The plan from step s on. `rollback(number)` is the plan of a revision. Raises `Refused`."""
    match action["kind"]:
        case "cancel":
            return plan_
        case "rewind":
            return plan_ if action.get("action") is None else apply(plan_, action["action"], s, rollback)
        case "rollback":
            return _with_later(rollback(action["revision"]), plan_)
        case "replace":
            return _replaced(plan_, action, s)
    default = ["lr"] if action["kind"] in VALUE_ACTIONS else plan_.base
    names = list(dict.fromkeys(action.get("tracks") or default))
    if not set(names) <= set(plan_.tracks):
        raise Refused("invalid", "no such track")
    changed, total = CHANGES[action["kind"]](plan_, action, s, names)
    return Plan({**plan_.tracks, **changed}, total)


Changed = tuple[dict[str, Track | Derived], int | None]


def _from(s: float, at: float, total: int | None) -> Clock:
    """A clock at the run's pace that reads `at` at s and ends with the run, if that ends later."""
    to = total if total is not None and total > s else s + 1
    return Clock(s, at, to, at + (to - s))


def _scaled(plan_: Plan, action: Json, s: int, names: list[str]) -> Changed:
    changed: dict[str, Track | Derived] = {}
    for name in names:
        track = plan_.tracks[name]
        if "to" in action:
            if plan_.track(name).at(s) == 0:
                raise Refused("invalid", f"{name} is 0 at step {s}")
            if isinstance(track, Track):
                inner = track.curve(track.clock.read(s))
            else:  # its base may come to `to` in the same breath
                inner = action["to"] if track.of in names else plan_.track(track.of).at(s)
            changed[name] = replace(track, factor=action["to"] / inner)
        elif not (isinstance(track, Derived) and track.of in names):
            changed[name] = replace(track, factor=track.factor * action["factor"])
    return changed, plan_.total


def _batch(plan_: Plan, action: Json, s: int, names: list[str]) -> Changed:
    ratio = action["to"] / action["from"]
    factor = math.sqrt(ratio) if action.get("rule") == "sqrt" else ratio
    return _scaled(plan_, {"factor": factor}, s, names)


def _set(plan_: Plan, action: Json, s: int, names: list[str]) -> Changed:
    constant = {"kind": "constant", "value": action["value"]}
    return dict.fromkeys(names, Track(1.0, _from(0, 0.0, plan_.total), curve(constant, None))), plan_.total


def _ramp(plan_: Plan, action: Json, s: int, names: list[str]) -> Changed:
    if isinstance(action["steps"], str) and plan_.total is None:
        raise Refused("invalid", "a share of a run without an end")
    length, total, shape = steps(action["steps"], plan_.total), plan_.total, action.get("shape", "linear")
    if action["kind"] == "cooldown":
        total = max(s + math.ceil(length), 1)
    changed: dict[str, Track | Derived] = {}
    for name in names:
        value = plan_.track(name).at(s)
        if shape == "exponential" and not (value > 0 and action["to"] > 0):
            raise Refused("invalid", "an exponential ramp from or to 0")
        about = {"shape": shape, "power": action.get("power", 1.0)}
        ramp = {"kind": "ramp", "start": value, "end": action["to"], "steps": length, **about}
        changed[name] = Track(1.0, _from(s, 0.0, total), curve(ramp, None))
    return changed, total


def _cooldown(plan_: Plan, action: Json, s: int, names: list[str]) -> Changed:
    return _ramp(plan_, {"to": 0.0, "shape": "power", "power": 0.5} | action, s, names)


def _with_clock(plan_: Plan, name: str) -> Track:
    """A track on its own whose clock an action changes: one that reads the run's own steps ends with the plan."""
    track = plan_.track(name)
    if track.clock.held or (track.clock.at, track.clock.end) != (track.clock.start, track.clock.to):
        return track
    return replace(track, clock=_from(0, 0.0, plan_.total))


def _hold(plan_: Plan, action: Json, s: int, names: list[str]) -> Changed:
    tracks = {name: _with_clock(plan_, name) for name in names}
    running = {name: track for name, track in tracks.items() if not track.clock.holds(s)}
    return {name: replace(track, clock=_held(track.clock, s)) for name, track in running.items()}, plan_.total


def _held(clock: Clock, s: int) -> Clock:
    at = clock.read(s)
    if s < clock.to:
        return replace(clock, start=s, at=at, held=True)
    pace = (clock.end - clock.at) / (clock.to - clock.start)  # beyond its end it goes on at this pace
    return Clock(s, at, s + 1, at + pace, held=True)


def _resume(plan_: Plan, action: Json, s: int, names: list[str]) -> Changed:
    tracks = {name: plan_.track(name) for name in names}
    held = {name: track for name, track in tracks.items() if track.clock.holds(s)}
    if not held:
        raise Refused("not-held")

    def resumed(clock: Clock) -> Clock:
        return replace(clock, start=s, to=clock.to + (s - clock.start), held=False)

    return {name: replace(track, clock=resumed(track.clock)) for name, track in held.items()}, plan_.total


def _stretch(plan_: Plan, action: Json, s: int, names: list[str]) -> Changed:
    old, new = plan_.total, action["total_steps"]
    if old is None or new <= s:
        raise Refused("invalid", "no end to move, or it would lie behind")
    changed: dict[str, Track | Derived] = {}
    for name in names:
        track = _with_clock(plan_, name)
        at = track.clock.read(s)
        end = max(track.clock.end, replace(track.clock, held=False).read(old), at)
        changed[name] = replace(track, clock=Clock(s, at, new, end))
    return changed, new


def _replaced(plan_: Plan, action: Json, s: int) -> Plan:
    new, at = plan(action["plan"]), action.get("at")
    if not set(plan_.tracks) <= set(new.tracks):
        raise Refused("invalid", "a revision may not drop a track")
    if at is None:
        return new
    shift = s - at
    tracks = {
        name: replace(track, clock=replace(track.clock, start=track.clock.start + shift, to=track.clock.to + shift))
        if isinstance(track, Track)
        else track
        for name, track in new.tracks.items()
    }
    return Plan(tracks, None if new.total is None else max(new.total + shift, 1))


def _with_later(old: Plan, current: Plan) -> Plan:
    """An earlier plan, with the tracks added since as they stand now."""
    return Plan({**current.tracks, **old.tracks}, old.total)


CHANGES: dict[str, Callable[[Plan, Json, int, list[str]], Changed]] = {
    "scale": _scaled,
    "batch": _batch,
    "set": _set,
    "ramp": _ramp,
    "cooldown": _cooldown,
    "hold": _hold,
    "resume": _resume,
    "stretch": _stretch,
}
