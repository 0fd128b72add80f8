"""Gauges of runs, against what their workers said."""

from app.control import runs
from app.control.gauges import gauges
from app.identity import ANONYMOUS
from tests.app.control.harness import Run


def test_a_run_is_told_by_its_live_workers(run: Run) -> None:
    run.create()
    assert (gauges(run.control, run.name)[0].in_hand_steps, gauges(run.control, run.name)[0].lag) == (None, None)
    run.window(0, "rank-0", step_seconds=0.5)
    window = run.window(8, "rank-1", at=5, step_seconds=0.1)
    run.window(8, "rank-2", at=7)
    run.window(8, "rank-3", at=8, leaving=True)
    run.revise({"kind": "hold"})
    (found,) = gauges(run.control, run.name)
    horizon = run.get()["horizon"]
    assert (found.run, found.horizon, found.revision) == (run.name, horizon, 2)
    assert horizon >= window.stop
    assert (found.in_hand_steps, found.lag) == (horizon - 7, 7)
    assert found.in_hand_seconds == (horizon - 7) * 0.3  # the median of 0.5 and 0.1
    assert found.workers == {"active": 3, "lagging": 0, "lost": 0, "left": 1}
    assert found.events["revision"] == found.events["run-created"] == 1


def test_only_active_runs_that_one_may_see_are_told(run: Run) -> None:
    run.create()
    assert [found.run for found in gauges(run.control, f"{run.name[:-1]}*")] == [run.name]
    assert gauges(run.control, "nothing*") == []
    runs.finish(run.control, run.name, ANONYMOUS)
    assert gauges(run.control, run.name) == []
