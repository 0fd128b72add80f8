"""What is seen of a curve at a thousand steps is what all of its steps show, however long the run is."""

from typing import Any

import numpy as np
import pytest

from app.schedules.compiled import CompiledPlan, compile_plan
from app.schedules.look import FAR, LONGEST_RECURRENCE, Look, look
from schemas.plans import Plan

LINE = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 700}
STAIRS = {"kind": "torch.StepLR", "base_lr": 1.0, "step_size": 30, "gamma": 0.5}
MILESTONES = {"kind": "torch.MultiStepLR", "base_lr": 1.0, "milestones": [300, 5000]}
WALK = {"kind": "iterate", "start": 1.0, "update": "value * 0.999"}


def compiled(schedule: dict[str, Any]) -> CompiledPlan:
    return compile_plan(Plan.model_validate({"tracks": {"lr": schedule}}))


def seen(schedule: dict[str, Any], stop: int | None = 1000, start: int = 0) -> Look:
    found = look(compiled(schedule), "lr", start, stop)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("schedule", "joins", "ahead", "endless", "settled", "still", "changes"),
    [
        (LINE, [700], [], False, 700, 700, None),
        (LINE | {"steps": 1500}, [], [1500], False, 1500, 999, 1000),
        (LINE | {"shape": "cosine", "past": "continue"}, [700], [], False, None, 999, 1000),
        (MILESTONES, [300], [5000], False, 5000, 300, 5000),
        (STAIRS, [*range(30, 1000, 30)], [1020, 1050], True, 32_250, 990, 1020),
        ({"kind": "constant", "value": 0.1}, [], [], False, 0, 0, None),
        ({"kind": "formula", "expression": "max(1 - step/1234, 0)"}, [], [], False, 1234, 999, 1000),
        ({"kind": "formula", "expression": "where(step < 345, 2, 1)"}, [], [], False, 345, 345, None),
        ({"kind": "formula", "expression": "where(step < 34567, 2, 1)"}, [], [], False, 34567, 0, 34567),
        ({"kind": "exponential", "start": 1.0, "rate": 0.5, "steps": 2**35}, [], [], False, None, 999, 1000),
    ],
    ids=str,
)
def test_where_a_curve_goes(
    schedule: dict[str, Any],
    joins: list[int],
    ahead: list[int],
    endless: bool,
    settled: int | None,
    still: int,
    changes: int | None,
) -> None:
    found = seen(schedule)
    assert (found.joins, found.ahead[: len(ahead)]) == (joins, ahead)
    assert (found.endless, found.settled, found.still, found.changes) == (endless, settled, still, changes)


@pytest.mark.parametrize(
    ("schedule", "end", "last_join"),
    [
        (LINE, 700, 700),
        (LINE | {"steps": 1500}, 1500, None),
        (LINE | {"shape": "cosine", "past": "continue", "steps": 1500}, 1500, None),
        (LINE | {"shape": "cosine", "past": "continue"}, None, 700),
        (MILESTONES, 5000, None),
        (STAIRS, None, None),
        (STAIRS | {"step_size": 3000}, 3000, None),
    ],
    ids=str,
)
def test_the_end_of_a_curve(schedule: dict[str, Any], end: int | None, last_join: int | None) -> None:
    assert (seen(schedule).end, seen(schedule).last_join) == (end, last_join)


def test_a_run_from_a_later_step_sees_only_what_comes() -> None:
    found = seen(MILESTONES, 1000, start=400)
    assert (found.start, found.joins, found.still, found.steps[0]) == (400, [], 400, 400)
    assert found.peak == pytest.approx(0.1)


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 1000, 10**9, 2**40])
def test_a_look_is_bounded_and_has_the_ends(steps: int) -> None:
    found = seen(LINE | {"steps": steps}, steps)
    assert found.steps.size <= min(steps, 1200)
    assert (found.steps[0], found.steps[-1]) == (0, steps - 1)
    assert np.all(np.diff(found.steps) > 0)
    assert found.values.tolist() == compiled(LINE | {"steps": steps}).at("lr", found.steps).tolist()
    assert found.settled == steps


def test_joins_are_seen_from_both_sides() -> None:
    points = [[at, float(at % 7)] for at in range(0, 10**9, 10**7)]
    found = seen({"kind": "interpolate", "points": points}, 10**9)
    assert {step + side for step in found.joins for side in (-1, 0, 1)} <= set(found.steps.tolist())
    assert len(found.joins) == 99


def test_a_run_without_an_end_is_seen_as_far_as_it_has_joins() -> None:
    assert (seen(MILESTONES, None).stop, seen(MILESTONES, None).whole) == (5001, False)
    assert seen({"kind": "constant", "value": 0.1}, None).stop == 100


def test_what_lies_beyond_the_end_of_a_plan_is_seen_as_if_it_had_none() -> None:
    assert not seen(LINE, 500, start=600).whole


def test_a_recurrence_is_computed_no_farther_than_the_run() -> None:
    found = seen(WALK, 1000)
    assert (found.beyond.tolist(), found.settled) == ([1000], None)
    assert look(compiled(WALK | {"limit": 10**7}), "lr", 0, LONGEST_RECURRENCE + 1) is None
    assert seen(WALK | {"limit": 500}, LONGEST_RECURRENCE + 1).settled == 500


def test_what_is_no_number_is_not_looked_at() -> None:
    assert look(compiled({"kind": "formula", "expression": "log(step)"}), "lr", 0, 100) is None
    assert seen({"kind": "formula", "expression": "log(1000 - step)"}, 1000).settled is None


def test_what_comes_again_is_not_taken_for_what_stays() -> None:
    """A square wave whose period is a power of 2 has the same value at every power of 2."""
    wave = {"kind": "interpolate", "points": [[0, 1.0], [512, 2.0]]}
    assert seen({"kind": "repeat", "of": wave, "steps": 1024}, 100).settled is None
    assert FAR % 1024 == 0
