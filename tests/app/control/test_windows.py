"""The window call: leads, memory, identity, attempts, outages, reports (PROTOCOL rules R2, R4 to R9)."""

import itertools
from typing import Any

import numpy as np
import pytest

from app.control import runs, windows, workers
from app.errors import (
    AttemptSuperseded,
    HistoryBehind,
    Invalid,
    RunArchived,
    RunReplaced,
    StepBeyondHorizon,
    UnknownRun,
)
from app.identity import ANONYMOUS
from schemas.runs import RunCreate, RunPatch, WindowRequest
from tests.app.control.harness import Run, applied, first


def linear(start: int, stop: int) -> list[float]:
    """1 -> 0 over 1000 steps, by another formula than the service's."""
    return [(1000 - step) / 1000 if step < 1000 else 0.0 for step in range(start, stop)]


# leads (R5)


def test_the_first_window_has_eight_steps_and_the_planned_values(run: Run) -> None:
    run.create()
    window = run.window(0)
    assert (window.start, window.stop, window.revision) == (0, 8, 1)
    assert first(window) == pytest.approx(linear(0, 8), rel=1e-15)
    assert run.get()["horizon"] == 8


def test_the_lead_grows_at_most_twofold_and_ends_at_lead_seconds_over_the_pace(run: Run) -> None:
    run.create(lead_seconds=10.0)
    leads = []
    step = 0
    for _ in range(6):
        window = run.window(step, step_seconds=0.1)
        leads.append(window.stop - step)
        step = window.stop
    assert leads == [8, 16, 32, 64, 100, 100]


def test_nothing_is_committed_while_three_quarters_of_the_lead_are_left(run: Run) -> None:
    run.create(lead_seconds=10.0)
    step = 0
    while (window := run.window(step, step_seconds=0.1)).run.lead < 100:
        step = window.stop
    horizon = window.stop
    for at, moved in [(horizon - 100, False), (horizon - 75, False), (horizon - 74, True)]:
        run.window(horizon, at=at, step_seconds=0.1)
        assert (run.get()["horizon"] > horizon) is moved
    assert run.get()["horizon"] == horizon - 74 + 100


def test_many_workers_cause_no_more_commits_than_one(run: Run) -> None:
    run.create()
    for rank in range(20):
        assert run.window(0, worker=f"rank-{rank}").stop == 8
    assert run.get()["horizon"] == 8


def test_the_lead_follows_the_median_pace_of_live_workers(run: Run) -> None:
    run.create(lead_seconds=4.0, max_window=64)
    for rank, pace in enumerate([0.1, 0.5, 0.5]):
        run.window(0, worker=f"rank-{rank}", step_seconds=pace)
    assert run.window(8, worker="rank-1", step_seconds=0.5).run.lead == 8  # 4 s over 0.5 s
    runs.patch(run.control, run.name, RunPatch(lead_seconds=0.01))
    assert run.window(run.get()["horizon"], worker="rank-1", step_seconds=0.5).run.lead == 2


def test_a_window_never_spans_a_revision(run: Run) -> None:
    run.create(lead_seconds=100.0)
    run.revise({"kind": "scale", "factor": 0.5}, from_step=5)
    one, two = run.window(0), run.window(5)
    assert (one.start, one.stop, one.revision) == (0, 5, 1)
    assert (two.start, two.stop, two.revision) == (5, 13, 2)
    assert first(two) == pytest.approx([v / 2 for v in linear(5, 13)], rel=1e-15)


def test_a_late_joiner_gets_at_most_max_window_steps_at_once(run: Run) -> None:
    run.create(total=None, schedule={"kind": "constant", "value": 0.25}, max_window=16)
    step = 0
    while step < 100:
        step = run.window(step, step_seconds=0.001).stop
    assert run.window(0, worker="rank-1").stop == 16


def test_a_horizon_far_ahead_of_the_median_worker_raises_the_alarm_once(run: Run) -> None:
    run.create()
    for rank in range(3):
        run.window(0, worker=f"rank-{rank}")
    step = 8
    for _ in range(20):
        step = run.window(step, worker="rank-0").stop
    alarms = run.events("horizon-runaway")
    assert len(alarms) == 1
    assert alarms[0]["alarm"] is True


# memory (R6)


class Broken:
    """A store that no test may touch."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the database was asked: {name}")


def test_committed_windows_are_served_without_the_database(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    created = run.create()
    joined = run.window(0)
    request = {"uid": created["uid"], "attempt": 1, "seen": {"revision": 1, "horizon": 8}}
    with monkeypatch.context() as patched:
        for name in ("read", "change"):
            patched.setattr(type(run.control.store), name, Broken().__getattr__)
        asked = WindowRequest.model_validate({"worker": "rank-0", "step": 2, "at": 2, **request})
        found = windows.from_memory(run.control, run.name, asked)
    assert found is not None
    assert first(found[0]) == first(joined)[2:]
    assert found[1] is None


@pytest.mark.parametrize(
    "change",
    [
        {"uid": None},
        {"uid": "another"},
        {"attempt": None},
        {"attempt": 2},
        {"worker": "rank-1"},
        {"instance": "another"},
        {"step": 8, "at": 2},
        {"at": 3, "step": 3},
        {"seen": {"revision": 2, "horizon": 8}},
        {"seen": {"revision": 1, "horizon": 9}},
        {"leaving": True},
        {"fallback": {"start": 2, "policy": "freeze", "revision": 1}},
        {"applied": {"start": 0, "stop": 2, "tracks": ["lr"], "crc32": 1}},
        {"applied": {"start": 1, "stop": 2, "tracks": ["lr"], "crc32": 1}},
    ],
)
def test_memory_says_yes_only(run: Run, change: dict[str, Any]) -> None:
    created = run.create()
    run.window(0)
    request = {"worker": "rank-0", "step": 2, "at": 2, "uid": created["uid"], "attempt": 1}
    assert windows.from_memory(run.control, run.name, WindowRequest.model_validate(request)) is not None
    asked = WindowRequest.model_validate(request | change)
    assert windows.from_memory(run.control, run.name, asked) is None


def test_a_report_from_memory_is_acknowledged_when_it_is_stored(run: Run) -> None:
    created = run.create()
    values = first(run.window(0))
    asked = {
        "worker": "rank-0",
        "step": 2,
        "at": 2,
        "uid": created["uid"],
        "attempt": 1,
        "applied": applied(values[:2], 0),
    }
    found = windows.from_memory(run.control, run.name, WindowRequest.model_validate(asked))
    assert found is not None
    assert found[1] is not None
    found[1].result()
    assert found[0].verified_until == 2
    assert workers.find(run.control, run.name)["items"][0]["verified_until"] == 2


def test_a_forgotten_memory_changes_no_byte(run: Run) -> None:
    run.create()
    before = run.values(0, 40)
    run.control.memory._held.clear()
    run.control.memory._workers.clear()
    assert run.values(0, 40) == before


# identity (R6) and attempts (R7)


def test_an_unknown_run_is_named(run: Run) -> None:
    with pytest.raises(UnknownRun, match=run.name):
        run.window(0)


def test_another_uid_is_a_replaced_run(run: Run) -> None:
    created = run.create()
    with pytest.raises(RunReplaced, match="started again it joins the new run") as caught:
        run.window(0, uid="0" * 32)
    assert caught.value.members["uid"] == created["uid"]


@pytest.mark.parametrize(
    "seen",
    [
        {"seen": {"revision": 2, "horizon": 8}},
        {"seen": {"revision": 1, "horizon": 9}, "attempt": 1},
        {"attempt": 2},
        {"attempt": 1, "fallback": {"start": 20, "policy": "freeze", "revision": 1}, "step": 30},
    ],
)
def test_a_restored_older_database_is_noticed_and_stops_commits_until_a_rewind(run: Run, seen: dict[str, Any]) -> None:
    created = run.create()
    run.window(0)
    with pytest.raises(HistoryBehind, match="restored from an older copy"):
        run.window(**{"step": 8, "uid": created["uid"], **seen})
    assert [alarm["type"] for alarm in run.get()["alarms"]] == ["history-behind"]
    with pytest.raises(HistoryBehind):
        run.window(8, worker="rank-1")
    assert run.window(0, worker="rank-1").stop == 8  # what is committed stays readable
    assert run.get()["horizon"] == 8
    run.rewind(4)
    assert run.window(4, worker="rank-1").stop > 8


def test_a_superseded_attempt_is_told_where_to_go_and_never_commits(run: Run) -> None:
    created = run.create()
    run.window(0)
    run.rewind(4)
    with pytest.raises(AttemptSuperseded, match="step 4 or earlier") as caught:
        run.window(8, uid=created["uid"], attempt=1)
    assert caught.value.members["attempt"] == 2
    assert caught.value.members["to_step"] == 4
    assert run.get()["horizon"] == 4


def test_a_restart_from_a_checkpoint_replays_the_committed_values(run: Run) -> None:
    run.create()
    before = run.values(0, 30)
    run.revise({"kind": "scale", "factor": 0.1})
    horizon = run.get()["horizon"]
    run.values(0, 60)
    assert run.values(0, 30) == before
    assert run.values(horizon, 60) == pytest.approx([v / 10 for v in linear(horizon, 60)], rel=1e-15)


def test_an_archived_run_gives_no_windows(run: Run) -> None:
    created = run.create()
    run.window(0)
    runs.archive(run.control, run.name)
    with pytest.raises(RunArchived):
        run.window(2, at=2, uid=created["uid"], attempt=1)


def test_the_next_commit_reopens_a_finished_run(run: Run) -> None:
    run.create()
    run.window(0)
    runs.finish(run.control, run.name)
    run.window(2, worker="rank-0")
    assert run.get()["status"] == "finished"
    run.window(8)
    assert run.get()["status"] == "active"
    assert len(run.events("run-reopened")) == 1


def test_below_the_first_step_there_is_nothing(run: Run) -> None:
    run.create(start_step=100)
    with pytest.raises(Invalid, match="starts at step 100"):
        run.window(99)
    assert first(run.window(100)) == pytest.approx(linear(100, 108), rel=1e-15)


# return after an outage (R8)


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
    found = {worker["worker"]: worker for worker in workers.find(run.control, run.name)["items"]}
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


# reports


def test_reports_move_verified_until_and_a_lost_one_is_sent_again(run: Run) -> None:
    run.create()
    values = first(run.window(0))
    assert run.window(8, applied=applied(values[:4], 0)).verified_until == 4
    again = run.window(8, applied=applied(values[:6], 0))
    assert again.verified_until == 6
    assert run.get()["unverified"] == []


def test_a_mismatch_is_an_alarm_and_an_unverified_range(run: Run) -> None:
    run.create()
    values = first(run.window(0))
    wrong = [*values[:2], np.nextafter(values[2], 0.0), *values[3:5]]
    run.window(8, applied=applied(wrong, 0))
    assert run.get()["unverified"] == [[0, 5]]
    assert run.window(8).verified_until == 5


def test_derived_tracks_are_checked_where_they_are_named(run: Run) -> None:
    plan = {
        "tracks": {
            "lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000},
            "head/lr": {"kind": "track", "of": "lr", "factor": 3.0},
            "wd": {"kind": "constant", "value": 0.1},
        }
    }
    runs.create(run.control, RunCreate.model_validate({"run": run.name, "plan": plan}), ANONYMOUS)
    window = run.window(0)
    assert window.tracks == ("lr", "wd")
    assert window.derived == {"head/lr": ("lr", 3.0)}
    lr = first(window)
    rows = list(itertools.chain.from_iterable((3.0 * value, value, 0.1) for value in lr))
    run.window(8, applied=applied(rows, 0, ["head/lr", "lr", "wd"]))
    assert run.get()["unverified"] == []
    off = list(itertools.chain.from_iterable((3.1 * value, value, 0.1) for value in lr))
    run.window(8, applied=applied(off, 0, ["head/lr", "lr", "wd"]))
    assert run.get()["unverified"] == [[0, 8]]


def test_one_worker_reports_for_its_group(run: Run) -> None:
    run.create()
    values = first(run.window(0))
    group = [
        {"worker": "rank-1", "at": 5, "applied": applied(values[:5], 0)},
        {"worker": "rank-2", "at": 5, "applied": applied([9.0] * 5, 0)},
    ]
    assert dict(run.window(8, group=group).group) == {"rank-1": 5, "rank-2": 5}
    gaps = {worker["worker"]: worker["gaps"] for worker in workers.find(run.control, run.name)["items"]}
    assert gaps == {"rank-0": [], "rank-1": [], "rank-2": [[0, 5]]}


def test_steps_that_a_killed_process_did_not_report_are_a_gap(run: Run) -> None:
    run.create()
    values = first(run.window(0, instance="a"))
    run.window(8, instance="a", applied=applied(values[:3], 0))
    assert run.window(6, instance="b").verified_until == 6
    assert run.get()["unverified"] == [[3, 6]]


def test_two_live_processes_of_one_name_raise_the_alarm_and_a_restart_does_not(run: Run) -> None:
    run.create()
    run.window(0, instance="a")
    run.window(0, instance="b")
    assert run.events("worker-duplicate") == []
    run.window(0, instance="a")
    assert len(run.events("worker-duplicate")) == 1


def test_the_last_report_of_a_leaving_worker_counts_and_commits_nothing(run: Run) -> None:
    run.create()
    values = first(run.window(0))
    window = run.window(8, at=8, applied=applied(values, 0), leaving=True)
    assert (window.start, window.stop, window.verified_until) == (8, 8, 8)
    assert run.get()["horizon"] == 8
    assert [worker["state"] for worker in workers.find(run.control, run.name)["items"]] == ["left"]


# finite (R9)


def test_a_bad_value_that_comes_up_late_is_replaced_by_the_last_good_one(run: Run) -> None:
    """Beyond total_steps the check of R9 does not look; the curve turns negative there."""
    run.create({"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 8, "past": "continue"}, total=8)
    assert run.values(0, 24)[8:] == [0.0] * 16
    assert {event["data"]["track"] for event in run.events("bad-value")} == {"lr"}
    assert all(event["alarm"] for event in run.events("bad-value"))


def test_negative_zero_is_committed_as_zero(run: Run) -> None:
    run.create({"kind": "constant", "value": -0.0}, total=None)
    assert run.window(0).values()[0] == bytes(64)
