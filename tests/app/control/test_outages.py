"""A return from an outage (rule R8): the gap is committed as it was, and what is newer goes behind it."""

from typing import Any

import pytest

from app.control import revisions, values, windows
from app.errors import Invalid, StepBeyondHorizon
from schemas.runs import WindowRequest
from tests.app.control.harness import Run, applied, control_over, first

CONSTANT = {"kind": "constant", "value": 1.0}


def linear(start: int, stop: int) -> list[float]:
    """1 -> 0 over 1000 steps, by another formula than the service's."""
    return [(1000 - step) / 1000 if step < 1000 else 0.0 for step in range(start, stop)]


def planned(run: Run, step: int, **more: Any) -> float:
    found = values.curve(run.control, run.name, start=step, stop=step + 1, **more).values
    return found.values["lr"][0]


def history(run: Run) -> dict[int, dict[str, Any]]:
    items = revisions.history(run.control, run.name)[0].to_json()["items"]
    return {row["number"]: row for row in items}


def test_beyond_the_horizon_a_worker_must_say_what_it_did(run: Run) -> None:
    run.create()
    run.window(0)
    with pytest.raises(StepBeyondHorizon) as caught:
        run.window(50)
    assert caught.value.members["horizon"] == 8


def test_follow_commits_the_curve_that_the_worker_knew_and_moves_newer_revisions_behind_it(run: Run) -> None:
    run.create()
    run.window(0)
    run.revise({"kind": "scale", "factor": 0.5}, from_step=20)  # the worker knows this one
    run.revise({"kind": "scale", "factor": 0.1}, from_step=30)  # and not this one
    run.revise({"kind": "set", "value": 7.0}, from_step=90)  # nor this one, beyond the gap
    window = run.window(60, fallback={"start": 8, "policy": "follow", "revision": 2})
    gap = run.values(8, 60)
    assert gap == pytest.approx(linear(8, 20) + [v / 2 for v in linear(20, 60)], rel=1e-14)
    assert (window.start, window.revision) == (60, 3)
    assert first(window) == pytest.approx([v / 20 for v in linear(60, window.stop)], rel=1e-14)
    moved = run.events("revision-moved")
    assert [(event["data"]["revision"], event["data"]["from_step"], event["data"]["to_step"]) for event in moved] == [
        (3, 30, 60)
    ]


def test_beyond_its_tail_a_follower_held_the_last_value(run: Run) -> None:
    run.create()
    run.window(0)
    run.window(60, fallback={"start": 8, "policy": "follow", "revision": 1, "tail_stop": 20})
    assert run.values(8, 60) == pytest.approx(linear(8, 20) + linear(19, 20) * 40, rel=1e-14)


def test_freeze_commits_the_last_value_it_held(run: Run) -> None:
    run.create()
    run.window(0)
    run.revise({"kind": "set", "value": 7.0}, from_step=10)
    run.window(60, fallback={"start": 8, "policy": "freeze", "revision": 1})
    assert run.values(8, 60) == linear(7, 8) * 52
    assert run.values(60, 64) == [7.0] * 4


def test_freeze_may_hold_a_value_that_its_attempt_inherited(run: Run) -> None:
    run.create()
    run.values(0, 32)
    run.rewind(22)
    run.window(47, fallback={"start": 22, "policy": "freeze", "revision": 2})
    assert run.values(0, 49) == pytest.approx(linear(0, 22) + linear(21, 22) * 25 + linear(47, 49), rel=1e-15)
    assert [planned(run, step, attempt=1) for step in (22, 31)] == linear(22, 23) + linear(31, 32)


def test_other_ranks_that_did_the_same_verify_and_one_that_did_not_is_unverified(run: Run) -> None:
    run.create()
    run.window(0)
    run.window(0, worker="rank-1")
    run.window(0, worker="rank-2")
    told = {"start": 8, "policy": "follow", "revision": 1}
    run.window(40, fallback=told, applied=applied(linear(0, 40), 0))
    run.window(40, worker="rank-1", fallback=told, applied=applied(linear(0, 40), 0))
    frozen = linear(0, 8) + linear(7, 8) * 32
    run.window(40, worker="rank-2", fallback={**told, "policy": "freeze"}, applied=applied(frozen[:8], 0))
    run.window(40, worker="rank-2", applied=applied(frozen[8:], 8))
    assert run.get()["unverified"] == [[8, 40]]
    found = {worker["worker"]: worker for worker in run.workers()}
    assert {name: worker["gaps"] for name, worker in found.items()} == {
        "rank-0": [],
        "rank-1": [],
        "rank-2": [[8, 40]],
    }
    assert {worker["verified_until"] for worker in found.values()} == {40}
    assert [alarm["data"]["worker"] for alarm in run.events("applied-mismatch")] == ["rank-2"]


def test_there_is_never_a_hole(run: Run) -> None:
    run.create()
    run.window(0)
    run.window(20_000, fallback={"start": 8, "policy": "freeze", "revision": 1})
    assert run.values(0, 20_000) == linear(0, 8) + linear(7, 8) * 19_992


@pytest.mark.parametrize(
    ("fallback", "sentence"),
    [
        ({"start": 60, "policy": "freeze", "revision": 1}, "after the step"),
        ({"start": 0, "policy": "freeze", "revision": 1}, "nothing to fall back on"),
        ({"start": 8, "policy": "follow", "revision": 5}, "no revision 5"),
    ],
)
def test_a_fallback_that_cannot_be_is_refused(run: Run, fallback: dict[str, Any], sentence: str) -> None:
    run.create()
    run.window(0)
    with pytest.raises(Invalid, match=sentence):
        run.window(50, fallback=fallback)


def test_a_gap_of_more_than_a_million_steps_needs_a_rewind(run: Run) -> None:
    run.create()
    run.window(0)
    with pytest.raises(StepBeyondHorizon, match="rewind"):
        run.window(1_000_009, fallback={"start": 8, "policy": "freeze", "revision": 1})


def test_a_return_applies_no_revision_twice(run: Run) -> None:
    """Issue: 0.09375 was committed at 250, where two halves of 0.75 are 0.1875."""
    run.create()
    run.window(0)
    run.revise({"kind": "scale", "factor": 0.5}, from_step=100)
    run.revise({"kind": "scale", "factor": 0.5})
    run.window(200, fallback={"start": 8, "policy": "follow", "revision": 2})
    assert run.values(200, 251)[-1] == pytest.approx(0.1875, rel=1e-12)
    assert run.values(100, 151)[-1] == pytest.approx(0.425, rel=1e-12)  # in the gap, revision 2 alone
    shown = revisions.one(run.control, run.name, 2).plan
    assert shown is not None
    assert shown.to_json()["tracks"]["lr"]["factor"] == 0.5
    run.rewind(150, {"kind": "rollback", "revision": 2})  # into the gap, to a revision in it
    assert planned(run, 160) == pytest.approx(0.42, rel=1e-12)


def test_a_revision_that_cannot_hold_at_the_new_horizon_is_dropped_and_its_worker_goes_on(run: Run) -> None:
    run.create()
    run.window(0)
    run.revise({"kind": "cooldown", "steps": 90}, from_step=50)
    run.revise({"kind": "scale", "to": 0.3})
    window = run.window(200, fallback={"start": 8, "policy": "follow", "revision": 2})
    assert first(window) == [0.0] * len(first(window))
    (event,) = run.events("revision-dropped")
    assert event["data"]["revision"] == 3
    assert "0.0 at step 200" in event["data"]["reason"]
    row = history(run)[3]
    assert (row["number"], row["dropped_in"], row["dropped_reason"]) == (3, 1, event["data"]["reason"])
    assert run.get()["revision"] == 3
    assert run.window(window.stop).stop > window.stop
    with pytest.raises(Invalid, match="was dropped"):
        run.revise({"kind": "rollback", "revision": 3})


def test_what_cannot_be_applied_later_because_of_what_moved_is_dropped_too(run: Run) -> None:
    run.create()
    run.revise({"kind": "hold"}, from_step=10)
    run.revise({"kind": "resume"}, from_step=60)
    run.window(0)
    run.revise({"kind": "replace", "plan": {"tracks": {"lr": CONSTANT}}}, from_step=9)
    window = run.window(40, fallback={"start": 8, "policy": "follow", "revision": 3})
    assert (window.start, window.revision) == (40, 4)
    assert run.values(10, 40) == linear(10, 11) * 30
    assert run.values(40, 80) == [1.0] * 40
    assert [event["data"]["revision"] for event in run.events("revision-dropped")] == [3]


def test_what_breaks_a_bound_behind_the_gap_is_dropped(run: Run) -> None:
    run.create(bounds={"lr": {"max": 1.5}})
    run.window(0)
    run.revise({"kind": "ramp", "to": 0.3, "steps": 10}, from_step=9)
    run.revise({"kind": "scale", "factor": 4.0}, from_step=30)  # 1.2 there, and 3.84 right behind the ramp's first step
    run.window(40, fallback={"start": 8, "policy": "follow", "revision": 1})
    assert [event["data"]["revision"] for event in run.events("revision-dropped")] == [3]
    assert "bound max is 1.5" in history(run)[3]["dropped_reason"]
    assert planned(run, 600) == pytest.approx(0.3)


def test_what_names_a_dropped_revision_goes_with_it(run: Run) -> None:
    run.create()
    run.window(0)
    run.revise({"kind": "cooldown", "steps": 90}, from_step=50)
    run.revise({"kind": "scale", "to": 0.3})
    run.revise({"kind": "rollback", "revision": 3}, from_step=500)
    run.window(200, fallback={"start": 8, "policy": "follow", "revision": 2})
    assert [event["data"]["revision"] for event in run.events("revision-dropped")] == [3, 4]


def test_moved_revisions_keep_the_order_of_the_steps_that_they_were_posted_for(run: Run) -> None:
    run.create(CONSTANT, total=None)
    run.window(0)
    run.revise({"kind": "scale", "to": 0.3}, from_step=120)
    run.revise({"kind": "scale", "factor": 0.5}, from_step=110)
    before = planned(run, 130)
    run.window(200, fallback={"start": 8, "policy": "follow", "revision": 1})
    assert (before, run.values(200, 211)[-1]) == (0.3, 0.3)
    assert {n: (row["from_step"], row["posted_step"]) for n, row in history(run).items()} == {
        1: (0, 0),
        2: (200, 120),
        3: (200, 110),
    }


def test_a_window_ends_where_a_known_revision_begins_in_a_frozen_gap(run: Run) -> None:
    run.create()
    run.window(0)
    run.revise({"kind": "set", "value": 0.25}, from_step=30)
    run.window(60, fallback={"start": 8, "policy": "freeze", "revision": 2})
    one, two = run.window(8), run.window(30)
    assert (one.stop, one.revision, two.start, two.stop, two.revision) == (30, 1, 30, 60, 2)
    assert first(one) + first(two) == linear(7, 8) * 52
    assert run.values(60, 62) == [0.25] * 2


def test_a_cancelled_revision_that_a_worker_had_to_apply_holds_in_the_gap_only(run: Run) -> None:
    run.create(CONSTANT, total=None)
    run.window(0)
    run.revise({"kind": "scale", "factor": 0.5}, from_step=20)
    run.revise({"kind": "cancel", "revision": 2})
    run.window(60, fallback={"start": 8, "policy": "follow", "revision": 2})
    assert run.values(0, 70) == [1.0] * 20 + [0.5] * 40 + [1.0] * 10
    assert run.rewind(40)["dropped"] == [3]  # the cancel lies behind: below it, the revision holds again
    assert planned(run, 50) == 0.5
    assert history(run)[2]["cancelled_by"] is None


def test_a_cancelled_revision_that_no_worker_knew_goes_behind_the_gap_with_its_cancel(run: Run) -> None:
    run.create(CONSTANT, total=None)
    run.window(0)
    run.revise({"kind": "scale", "factor": 0.5}, from_step=20)
    run.revise({"kind": "cancel", "revision": 2})
    run.window(60, fallback={"start": 8, "policy": "follow", "revision": 1})
    assert [history(run)[number]["from_step"] for number in (2, 3)] == [60, 60]
    assert run.rewind(40)["dropped"] == [2, 3]  # it never acted, and does not begin to
    assert run.values(0, 70) == [1.0] * 70


@pytest.mark.parametrize(
    ("policy", "revision", "gap"),
    [("follow", 1, linear(8, 60)), ("freeze", 2, [value / 2 for value in linear(7, 8)] * 52)],
)
def test_a_worker_returns_to_a_service_that_has_just_started(
    run: Run, policy: str, revision: int, gap: list[float]
) -> None:
    """Which knows nothing: the plans in force are in the database, and are asked for within each transaction."""
    uid = run.create()["uid"]
    run.revise({"kind": "scale", "factor": 0.5})
    run.window(0)
    run.control = control_over(run.control.store)
    told = {"start": 8, "policy": policy, "revision": revision}
    back = WindowRequest.model_validate({"worker": "rank-0", "step": 60, "uid": uid, "fallback": told})
    assert windows.from_store(run.control, run.name, back).start == 60
    assert run.values(8, 60) == pytest.approx(gap, rel=1e-12)
    assert run.values(60, 62) == pytest.approx([value / 2 for value in linear(60, 62)], rel=1e-12)


def test_a_gap_is_worked_out_again_where_the_run_moved_meanwhile(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.create()
    run.window(0)
    from app.control import outages

    real = outages.worked_out

    def overtaken(*arguments: Any) -> outages.Return:
        monkeypatch.setattr(outages, "worked_out", real)
        worked = real(*arguments)
        run.window(30, worker="rank-1", fallback={"start": 8, "policy": "freeze", "revision": 1})
        return worked

    monkeypatch.setattr(outages, "worked_out", overtaken)
    run.window(60, fallback={"start": 8, "policy": "follow", "revision": 1})
    committed = run.values(0, 60)
    assert committed[:30] == linear(0, 8) + linear(7, 8) * 22
    horizon = run.events("gap-committed")[1]["data"]["start"]
    assert committed[horizon:] == pytest.approx(linear(horizon, 60), rel=1e-12)
