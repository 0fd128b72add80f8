"""Properties that hold for every schedule and every sequence of actions."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter

from app.errors import Invalid, NotHeld
from app.schedules import apply_action, compile_plan, resolve
from app.schedules.build import build, lower
from app.schedules.durations import resolve_duration
from app.schedules.tree import children
from schemas.actions import Action
from schemas.base import MAX_STEP
from schemas.plans import Plan, TrackSpec
from schemas.specs import Spec
from tests.app.schedules import trees
from tests.campaigns import Figures, amount

ACTION: TypeAdapter[Action] = TypeAdapter(Action)
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def same_bits(left: NDArray[np.floating[Any]], right: NDArray[np.floating[Any]]) -> bool:
    """Equal bit for bit; one nan is as good as another."""
    return np.array_equal(left, right, equal_nan=True) and bool(
        np.all((np.signbit(left) == np.signbit(right)) | np.isnan(left))
    )


def size(spec: Spec) -> int:
    return 1 + sum(size(child) for child, _ in children(spec))


@settings(SLOW, max_examples=amount(60))
@given(
    trees.plans,
    st.one_of(st.integers(0, 1500), st.sampled_from([4000, 2**24 - 7, 2**31 - 5, 2**40 + 3, MAX_STEP - 700])),
    st.data(),
)
def test_a_window_is_the_slice_of_the_whole(data: Any, first: int, draw: st.DataObject) -> None:
    plan = compile_plan(Plan.model_validate(data))
    for track in data["tracks"]:
        whole = plan.values(track, first, first + 700)
        for _ in range(4):
            start = draw.draw(st.integers(0, 699))
            stop = draw.draw(st.integers(start, min(700, start + 70)))
            stride = draw.draw(st.integers(1, 9))
            assert same_bits(plan.values(track, first + start, first + stop, stride), whole[start:stop:stride])
        order = np.array(draw.draw(st.lists(st.integers(0, 699), min_size=1, max_size=40)))
        assert same_bits(plan.at(track, first + order), whole[order])


@settings(SLOW, max_examples=amount(50))
@given(trees.plans)
def test_a_plan_survives_json(data: Any) -> None:
    plan = Plan.model_validate(data)
    assert json.loads(json.dumps(plan.to_json())) == json.loads(json.dumps(data))
    resolved = resolve(plan)
    again = Plan.model_validate(json.loads(json.dumps(resolved.to_json())))
    assert again == resolved
    assert resolve(again) is again


@settings(SLOW, max_examples=amount(40))
@given(trees.schedules)
def test_lowering_changes_no_value(data: Any) -> None:
    plan = resolve(Plan.model_validate({"tracks": {"lr": data}, "total_steps": 1000, "steps_per_epoch": 10.0}))
    native = lower(plan.tracks["lr"])
    assert lower(native) is native
    steps = np.arange(0.0, 400.0)
    with np.errstate(all="ignore"):
        assert same_bits(build(native)(steps), compile_plan(plan).values("lr", 0, 400))


@settings(SLOW, max_examples=amount(40))
@given(trees.schedules)
def test_one_step_is_the_same_in_every_position(data: Any) -> None:
    """NumPy's vector loops, their tails and its scalars must agree; they do for every function we use."""
    plan = compile_plan(Plan.model_validate({"tracks": {"lr": data}, "total_steps": 1000, "steps_per_epoch": 10.0}))
    whole = plan.values("lr", 0, 67)
    assert same_bits(np.concatenate([plan.at("lr", step) for step in range(67)]), whole)


class Actions:
    """Counts what the property below did, so that the suite can promise a number."""

    applied = 0
    refused = 0


@settings(SLOW, max_examples=amount(60))
@given(trees.plans, st.lists(st.tuples(st.integers(0, 60), trees.actions), min_size=20, max_size=32))
def test_any_sequence_of_actions_keeps_its_promises(data: Any, changes: list[tuple[int, Any]]) -> None:
    plans = [resolve(Plan.model_validate(data))]
    written = _sizes(plans[0])
    step = 0
    for ahead, change in changes:
        step += ahead
        before = plans[-1]
        frozen = before.to_json()
        action = ACTION.validate_python(change)
        try:
            after = apply_action(before, action, step, rollback=lambda number: plans[min(number, len(plans)) - 1])
        except (Invalid, NotHeld):
            Actions.refused += 1
            continue
        Actions.applied += 1
        assert before.to_json() == frozen
        plans.append(after)
        _assert_kept(before, after, change, step)
        if change["kind"] == "replace":
            new = _sizes(resolve(Plan.model_validate(change["plan"])))
            written = {name: max(written.get(name, 1), new.get(name, 1)) for name in written | new}
        for name, track in after.tracks.items():
            assert size(track) <= written[name] + 2
    assert Plan.model_validate(plans[-1].to_json()) == plans[-1]


def _sizes(plan: Plan) -> dict[str, int]:
    """The size of every track as somebody wrote it, a derived one being a factor and its base."""
    return {
        name: 1 + size(plan.tracks[track.of]) if isinstance(track, TrackSpec) else size(track)
        for name, track in plan.tracks.items()
    }


def _assert_kept(before: Plan, after: Plan, change: Any, step: int) -> None:
    """Continuity where it is promised, exact values where they are asked for, and no track lost."""
    assert set(before.tracks) <= set(after.tracks)
    kind, old, new = change["kind"], compile_plan(before), compile_plan(after)
    for name in before.tracks:
        was, now = float(old.at(name, step)[0]), float(new.at(name, step)[0])
        if kind in ("hold", "resume", "stretch"):
            assert now == was
        if kind in ("ramp", "cooldown") and name in change.get("tracks", ["lr"]):
            length = resolve_duration(change["steps"], before.total_steps, before.steps_per_epoch, "")
            assert now == (was if length else change["to"])
        if kind == "hold" and name in change.get("tracks", old.base):
            assert set(new.values(name, step, step + 50)) == {was}
        if kind == "set" and name in change.get("tracks", ["lr"]):
            assert now == change["value"]
        if "to" in change and kind == "scale" and name in change.get("tracks", ["lr"]):
            assert now == pytest.approx(change["to"], rel=5e-16)
        if kind == "replace" and change["at"] is not None and not isinstance(after.tracks[name], TrackSpec):
            fresh = compile_plan(resolve(Plan.model_validate(change["plan"])))
            assert now == pytest.approx(float(fresh.at(name, change["at"])[0]), rel=1e-12, abs=1e-300)


@pytest.mark.sampled
def test_the_property_tried_ten_thousand_actions_in_a_long_run(record_property: Figures) -> None:
    """Runs after the property above, which counts; refusals (a resume of nothing, a stretch to the past) among them."""
    if Actions.applied + Actions.refused == 0:
        pytest.skip("the property did not run in this process")
    assert Actions.applied + Actions.refused >= amount(1_000)
    record_property("actions applied", Actions.applied)
    record_property("actions refused", Actions.refused)
