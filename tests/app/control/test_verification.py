"""Reports: what is compared, what is unverified and why, and what was never shown (PROTOCOL §3, rule R8)."""

import itertools

import numpy as np
import pytest

from app.control import runs
from app.control.verification import merged
from app.identity import ANONYMOUS
from app.store import Reader
from schemas.runs import Derived, RunCreate
from tests.app.control.harness import Run, applied, first


def reasons(run: Run) -> list[tuple[int, int, str, str]]:
    """The unverified ranges with worker and reason."""
    return [(u["start"], u["stop"], u["worker"], u["reason"]) for u in run.get()["unverified_reasons"]]


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
    assert list(window.values) == ["lr", "wd"]
    assert window.derived == {"head/lr": Derived(of="lr", times=3.0)}
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
    gaps = {worker["worker"]: worker["gaps"] for worker in run.workers()}
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
    assert [worker["state"] for worker in run.workers()] == ["left"]


# what was never reported


@pytest.fixture
def silent(run: Run) -> Run:
    """A run whose only worker used a hundred steps and reported none."""
    run.create(lead_seconds=1000.0)
    step = 0
    while step < 100:
        step = run.window(step, instance="a", step_seconds=1.0, attempt=1 if step else None).stop
    return run


def test_what_a_live_worker_still_owes_is_pending(silent: Run) -> None:
    assert silent.get()["unverified"] == []


def test_a_worker_that_rejoins_after_a_rewind_leaves_what_it_did_not_report(silent: Run) -> None:
    silent.rewind(50)
    assert silent.window(50, instance="a").verified_until == 50
    assert reasons(silent) == [(0, 50, "rank-0", "unreported")]
    assert silent.workers()[0]["gaps"] == [[0, 50]]


def test_another_process_under_the_name_leaves_what_the_one_before_did_not_report(silent: Run) -> None:
    assert silent.window(50, instance="b").verified_until == 50
    assert reasons(silent) == [(0, 50, "rank-0", "unreported")]


def test_a_process_that_goes_back_to_a_checkpoint_leaves_what_it_did_not_report(silent: Run) -> None:
    silent.window(50, instance="a")
    assert reasons(silent) == [(0, 50, "rank-0", "unreported")]


def test_a_process_that_goes_beyond_what_it_was_given_leaves_that_and_no_more(run: Run) -> None:
    run.create(max_window=10)
    run.values(0, 40)
    assert [run.window(step).stop for step in (0, 10, 30)] == [10, 20, 40]
    assert reasons(run) == [(0, 20, "rank-0", "unreported")]


@pytest.mark.parametrize(
    ("instance", "moved_from", "to_step", "owed"),
    [("a", 100, 90, 90), ("a", 20, 90, 20), ("a", 20, 10, 10), ("a", 0, 90, 0), ("b", 20, 90, 90)],
)
@pytest.mark.parametrize("rewound", [False, True])
def test_a_process_that_says_where_it_stood_leaves_what_lies_below(
    silent: Run, instance: str, moved_from: int, to_step: int, owed: int, rewound: bool
) -> None:
    """Where the run was rewound meanwhile, what the old attempt used is owed too, as far as the new one inherits it."""
    if rewound:
        silent.rewind(95)
    window = silent.window(to_step, instance=instance, moved_from=moved_from)
    assert window.verified_until == to_step
    if rewound:
        owed = min(moved_from, 95) if instance == "a" else 95
    assert reasons(silent) == ([(0, owed, "rank-0", "unreported")] if owed else [])


def test_a_worker_that_leaves_or_is_lost_leaves_what_it_did_not_report(
    silent: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent.window(40, worker="rank-1", attempt=None, instance="b")
    silent.window(60, at=55, worker="rank-1", attempt=1, instance="b", leaving=True)
    assert reasons(silent) == [(40, 55, "rank-1", "unreported")]
    given = silent.window(100, instance="a", attempt=1, step_seconds=1.0).stop
    now = Reader.now
    monkeypatch.setattr(Reader, "now", lambda self: now(self) + 86_400)
    assert reasons(silent) == [(0, given, "rank-0", "unreported"), (40, 55, "rank-1", "unreported")]


def test_a_report_takes_back_that_its_steps_were_not_reported(silent: Run) -> None:
    lr = silent.values(0, 100)
    silent.window(50, instance="b")
    silent.rewind(80)
    silent.window(30, instance="b")
    assert reasons(silent) == [(0, 50, "rank-0", "unreported"), (50, 80, "rank-0", "unreported")]
    silent.window(80, instance="b", attempt=2, applied=applied(lr[30:60], 30))
    assert reasons(silent) == [(0, 30, "rank-0", "unreported"), (60, 80, "rank-0", "unreported")]


def test_a_mismatch_stays_whatever_is_reported_later(run: Run) -> None:
    run.create()
    values = first(run.window(0))
    run.window(8, applied=applied([9.0] * 4, 0))
    run.window(8, applied=applied(values, 0))
    assert reasons(run) == [(0, 4, "rank-0", "mismatch")]


def test_steps_that_a_worker_marks_are_one_growing_range_and_one_alarm(run: Run) -> None:
    run.create()
    lr = run.values(0, 8)
    run.window(0)
    for stop, mark in ((2, 2), (4, 6), (8, 2**53)):  # an update that was forgotten lies beyond the report
        marks = [{"start": max(1, stop - 2), "stop": mark, "reason": "miscounted"}]
        run.window(8, applied={**applied(lr[:stop], 0), "marks": marks})
    horizon = run.get()["horizon"]
    assert reasons(run) == [(1, horizon, "rank-0", "miscounted")]
    assert [(alarm["type"], alarm["data"]["start"]) for alarm in run.get()["alarms"]] == [("miscounted", 1)]
    run.window(8, applied={**applied(lr, 0), "marks": []})
    assert reasons(run) == [(1, horizon, "rank-0", "miscounted")]


@pytest.mark.parametrize("reason", ["uncounted", "scaled-inside"])
def test_what_nobody_can_show_is_no_alarm(run: Run, reason: str) -> None:
    run.create()
    lr = run.values(0, 4)
    run.window(0)
    run.window(8, applied={**applied(lr, 0), "marks": [{"start": 0, "stop": 4, "reason": reason}]})
    assert reasons(run) == [(0, 4, "rank-0", reason)]
    assert run.get()["alarms"] == []


def test_ranges_are_joined() -> None:
    assert merged([(5, 8), (0, 3), (3, 4), (7, 9)]) == [[0, 4], [5, 9]]
