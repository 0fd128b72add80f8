"""The window call: leads, memory, identity, attempts, outages, reports (PROTOCOL rules R2, R4 to R9)."""

from typing import Any

import pytest

from app.control import runs, windows
from app.errors import Invalid
from app.identity import ANONYMOUS
from schemas.runs import RunPatch, WindowRequest
from tests.app.control.harness import Run, applied, first


def linear(start: int, stop: int) -> list[float]:
    """1 -> 0 over 1000 steps, by another formula than the service's."""
    return [(1000 - step) / 1000 if step < 1000 else 0.0 for step in range(start, stop)]


def test_a_window_says_which_of_its_tracks_are_relative_and_a_revision_keeps_it(run: Run) -> None:
    plan: dict[str, Any] = {"tracks": {"lr": {"kind": "constant", "value": 0.5}}}
    run.create_plan(plan | {"relative": ["lr"]})
    assert run.window(0).relative == ["lr"]
    run.revise({"kind": "scale", "factor": 0.5})
    run.revise({"kind": "replace", "plan": plan | {"relative": ["lr"]}})
    window = run.window(8)
    assert (first(window)[0], window.relative, run.get()["plan"]["relative"]) == (0.5, ["lr"], ["lr"])
    with pytest.raises(Invalid) as caught:
        run.revise({"kind": "replace", "plan": plan})
    assert caught.value.errors[0][0] == "/action/plan/relative"


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
    while (window := run.window(step, step_seconds=0.1)).lead < 100:
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
    assert run.window(8, worker="rank-1", step_seconds=0.5).lead == 8  # 4 s over 0.5 s
    runs.patch(run.control, run.name, RunPatch(lead_seconds=0.01), ANONYMOUS)
    assert run.window(run.get()["horizon"], worker="rank-1", step_seconds=0.5).lead == 2


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


def test_a_step_below_the_runs_first_is_refused_wherever_it_is_said(run: Run) -> None:
    run.create(start_step=100)
    run.window(100)
    with pytest.raises(Invalid) as caught:
        run.window(100, at=40)
    assert caught.value.errors[0][0] == "/at"
    with pytest.raises(Invalid) as caught:
        run.window(104, group=[{"worker": "rank-1", "at": 40}])
    assert caught.value.errors[0][0] == "/group/0/at"
    assert [worker["step"] for worker in run.workers()] == [100]


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
    assert first(found) == first(joined)[2:]


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
        {"moved_from": 0},
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
    assert found.verified_until == 0
    assert run.workers()[0]["verified_until"] == 2  # reads know it already
    with run.control.store.read() as reader:
        assert reader.workers(reader.run(run.name).id)[0].verified_until == 0
    run.control.cache.write()
    found = windows.from_memory(run.control, run.name, WindowRequest.model_validate(asked))
    assert found is not None
    assert found.verified_until == 2


def test_a_forgotten_memory_changes_no_byte(run: Run) -> None:
    run.create()
    before = run.values(0, 40)
    run.control.cache._runs.clear()
    assert run.values(0, 40) == before


# finite (R9)


def test_a_bad_value_that_comes_up_late_is_replaced_by_the_last_good_one(run: Run) -> None:
    """Beyond total_steps the check of R9 does not look; the curve turns negative there."""
    run.create({"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 8, "past": "continue"}, total=8)
    assert run.values(0, 24)[8:] == [0.0] * 16
    assert {event["data"]["track"] for event in run.events("bad-value")} == {"lr"}
    assert all(event["alarm"] for event in run.events("bad-value"))


def test_negative_zero_is_committed_as_zero(run: Run) -> None:
    run.create({"kind": "constant", "value": -0.0}, total=None)
    assert run.window(0).values["lr"].tobytes() == bytes(64)
