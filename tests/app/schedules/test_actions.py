"""What actions make of plans: the worked examples of the contract, and every action by itself."""

import math
from typing import Any

import pytest
from pydantic import TypeAdapter

from app.errors import Invalid, NotHeld
from app.schedules import apply_action, compile_plan, losses, resolve
from schemas.actions import Action
from schemas.plans import Plan

ACTION: TypeAdapter[Action] = TypeAdapter(Action)
LINEAR = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}
HEAD = {"kind": "track", "of": "lr", "factor": 10.0}


def plan(lr: dict[str, Any] = LINEAR, *, total: int | None = 1000, **tracks: Any) -> Plan:
    named = {name.replace("__", "/"): track for name, track in tracks.items()}
    data: dict[str, Any] = {"tracks": {"lr": lr, **named}}
    return resolve(Plan.model_validate(data | ({"total_steps": total} if total else {})))


def after(start: Plan, *changes: tuple[int, dict[str, Any]]) -> list[Plan]:
    """The plans in force after each change, the first one included."""
    plans = [start]
    for step, action in changes:
        parsed = ACTION.validate_python(action)
        plans.append(apply_action(plans[-1], parsed, step, rollback=lambda number: plans[number - 1]))
    return plans


def value(plan: Plan, step: int, track: str = "lr") -> float:
    return float(compile_plan(plan).at(track, step)[0])


def test_hold_scale_and_resume_as_the_contract_says() -> None:
    *_, scaled, resumed = after(
        plan(),
        (200, {"kind": "hold"}),
        (250, {"kind": "hold"}),
        (300, {"kind": "scale", "factor": 0.5}),
        (400, {"kind": "resume"}),
    )
    assert value(scaled, 300) == value(scaled, 399) == value(resumed, 400) == 0.4
    assert value(resumed, 800) == pytest.approx(0.2, rel=1e-12)
    assert value(resumed, 1200) == 0.0


def test_a_stretched_wsd_starts_its_decay_at_1400() -> None:
    phases = [
        {"schedule": {"kind": "ramp", "start": 0.0, "end": 1.0, "steps": 100}, "steps": 100},
        {"schedule": {"kind": "constant", "value": 1.0}, "steps": 700},
        {"schedule": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 200}},
    ]
    stretched = after(plan({"kind": "sequence", "phases": phases}), (500, {"kind": "stretch", "total_steps": 2000}))[-1]
    assert stretched.total_steps == 2000
    assert [value(stretched, step) for step in (500, 1400, 2000)] == [1.0, 1.0, 0.0]
    assert value(stretched, 1401) < 1.0
    assert value(stretched, 1700) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize(
    ("action", "at_500", "at_750"),
    [
        ({"kind": "scale", "factor": 2.0}, 1.0, 0.5),
        ({"kind": "scale", "to": 0.3}, 0.3, 0.15),
        ({"kind": "set", "value": 0.2}, 0.2, 0.2),
        ({"kind": "ramp", "to": 1.5, "steps": 500}, 0.5, 1.0),
        ({"kind": "ramp", "to": 1.5, "steps": "25%"}, 0.5, 1.5),
        ({"kind": "cooldown", "steps": 1000}, 0.5, 0.5 * (1 - math.sqrt(0.25))),
        ({"kind": "hold"}, 0.5, 0.5),
        ({"kind": "stretch", "total_steps": 1500}, 0.5, 0.375),
        ({"kind": "replace", "plan": {"tracks": {"lr": LINEAR}}}, 0.5, 0.25),
        ({"kind": "replace", "plan": {"tracks": {"lr": LINEAR}}, "at": 0}, 1.0, 0.75),
        ({"kind": "batch", "from": 256.0, "to": 1024.0}, 2.0, 1.0),
        ({"kind": "batch", "from": 256.0, "to": 1024.0, "rule": "sqrt"}, 1.0, 0.5),
        ({"kind": "cancel", "revision": 7}, 0.5, 0.25),
        ({"kind": "rollback", "revision": 1}, 0.5, 0.25),
    ],
    ids=str,
)
def test_values_after_an_action_at_500(action: dict[str, Any], at_500: float, at_750: float) -> None:
    changed = after(plan(), (500, action))[-1]
    assert value(changed, 500) == pytest.approx(at_500, rel=1e-12)
    assert value(changed, 750) == pytest.approx(at_750, rel=1e-12)


@pytest.mark.parametrize(("target", "start"), [(5e-4, 0.3), (0.1, 0.7), (1e-5, 1 / 3)])
def test_scale_to_hits_the_value(target: float, start: float) -> None:
    changed = after(plan({**LINEAR, "start": start}), (333, {"kind": "scale", "to": target}))[-1]
    assert value(changed, 333) == pytest.approx(target, rel=2.3e-16)


@pytest.mark.parametrize(
    ("action", "step", "pointer"),
    [
        ({"kind": "scale", "to": 0.1}, 1000, "/to"),
        ({"kind": "scale", "factor": 0.5, "tracks": ["lr", "momentum"]}, 5, "/tracks/1"),
        ({"kind": "stretch", "total_steps": 500}, 500, "/total_steps"),
        ({"kind": "ramp", "to": 0.0, "steps": 5, "shape": "exponential"}, 5, "/shape"),
        ({"kind": "ramp", "to": 0.0, "steps": "1ep"}, 5, "/steps"),
        ({"kind": "cooldown", "steps": 2**53}, 5, "/steps"),
        ({"kind": "replace", "plan": {"tracks": {"momentum": LINEAR}}}, 5, "/plan/tracks"),
        ({"kind": "replace", "plan": {"tracks": {"lr": LINEAR}, "relative": ["lr"]}}, 5, "/plan/relative"),
        ({"kind": "replace", "plan": {"tracks": {"lr": {**LINEAR, "steps": "3%"}}}}, 5, "/plan/tracks/lr/steps"),
        ({"kind": "batch", "from": 1e-300, "to": 1e300}, 5, "/to"),
    ],
    ids=str,
)
def test_a_refused_action_points_at_the_reason(action: dict[str, Any], step: int, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        after(plan(), (step, action))
    assert [where for where, _ in caught.value.errors] == [pointer]


def test_resume_needs_a_hold() -> None:
    with pytest.raises(NotHeld):
        after(plan(), (5, {"kind": "resume"}))


def test_a_value_action_without_lr_asks_for_tracks() -> None:
    bare = resolve(Plan.model_validate({"tracks": {"head/lr": LINEAR}}))
    with pytest.raises(Invalid, match="say which tracks"):
        after(bare, (5, {"kind": "set", "value": 0.1}))
    assert value(after(bare, (5, {"kind": "set", "value": 0.1, "tracks": ["head/lr"]}))[-1], 5, "head/lr") == 0.1


def test_derived_tracks_follow_their_base_until_they_are_changed_themselves() -> None:
    start = plan(head__lr=HEAD)
    assert value(after(start, (500, {"kind": "set", "value": 0.1}))[-1], 500, "head/lr") == 1.0
    scaled = after(start, (500, {"kind": "scale", "factor": 0.5, "tracks": ["head/lr"]}))[-1]
    assert scaled.tracks["head/lr"].to_json() == {**HEAD, "factor": 5.0}
    ramped = after(start, (500, {"kind": "ramp", "to": 1.0, "steps": 100, "tracks": ["head/lr"]}))[-1]
    assert [value(ramped, step, "head/lr") for step in (500, 600, 900)] == [5.0, 1.0, 1.0]
    assert value(ramped, 900) == pytest.approx(0.1, rel=1e-12)


def test_scaling_a_base_and_its_derived_track_scales_each_once() -> None:
    both = after(plan(head__lr=HEAD), (500, {"kind": "scale", "factor": 0.5, "tracks": ["lr", "head/lr"]}))[-1]
    assert (value(both, 500), value(both, 500, "head/lr")) == (0.25, 2.5)
    to = after(plan(head__lr=HEAD), (500, {"kind": "scale", "to": 0.1, "tracks": ["lr", "head/lr"]}))[-1]
    assert (value(to, 500), value(to, 500, "head/lr")) == (0.1, 0.1)


def test_clock_actions_take_every_track_along() -> None:
    both = after(plan(weight_decay=LINEAR), (500, {"kind": "hold"}))[-1]
    assert value(both, 900) == value(both, 900, "weight_decay") == 0.5


def test_cooldown_leaves_other_tracks_and_moves_the_end() -> None:
    cooled = after(plan(weight_decay=LINEAR), (500, {"kind": "cooldown", "steps": 100}))[-1]
    assert cooled.total_steps == 600
    assert value(cooled, 600) == 0.0
    assert value(cooled, 600, "weight_decay") == pytest.approx(0.4)


def test_rollback_keeps_tracks_that_were_added_since() -> None:
    more = {"kind": "replace", "plan": {"tracks": {"lr": LINEAR, "momentum": {"kind": "constant", "value": 0.9}}}}
    back = after(plan(), (100, more), (200, {"kind": "rollback", "revision": 1}))[-1]
    assert value(back, 300) == pytest.approx(0.7)
    assert value(back, 300, "momentum") == 0.9


def test_holding_past_the_end_and_without_an_end() -> None:
    for start in (plan(), plan(total=None)):
        plans = after(start, (2000, {"kind": "hold"}), (3000, {"kind": "resume"}))
        assert [value(each, 3000) for each in plans] == [0.0, 0.0, 0.0]
    held = after(plan(total=None), (200, {"kind": "hold"}), (300, {"kind": "resume"}))[-1]
    assert value(held, 400) == pytest.approx(0.7, rel=1e-12)


def test_set_warns_of_what_it_drops() -> None:
    both = plan(head__lr=HEAD, weight_decay={"kind": "constant", "value": 0.1})
    to = {"kind": "set", "value": 0.1, "tracks": ["lr", "head/lr", "weight_decay"]}
    warned = [(warning.code, warning.pointer) for warning in losses(both, ACTION.validate_python(to))]
    assert warned == [("curve-dropped", "/tracks/lr"), ("curve-dropped", "/tracks/head~1lr")]
    assert losses(both, ACTION.validate_python({"kind": "scale", "factor": 2.0})) == []


def test_nothing_resumes_beyond_the_last_step_there_is() -> None:
    with pytest.raises(Invalid, match="beyond step"):
        after(plan(), (5, {"kind": "hold"}), (2**53, {"kind": "resume"}))


def test_a_stretch_after_the_end_moves_nothing() -> None:
    assert value(after(plan(), (2000, {"kind": "stretch", "total_steps": 3000}))[-1], 2500) == 0.0


def test_a_plan_may_start_on_any_clock() -> None:
    shifted = {"kind": "replace", "plan": plan().to_json(), "at": 250}
    moved = after(plan(), (500, shifted))[-1]
    assert moved.total_steps == 1250
    assert [value(moved, step) for step in (500, 1250)] == [0.75, 0.0]
    held = after(moved, (600, {"kind": "hold"}), (700, {"kind": "resume"}))[-1]
    assert [value(held, step) for step in (700, 1350)] == [pytest.approx(0.65), 0.0]
