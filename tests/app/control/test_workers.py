"""What a run's workers are shown to be, and what that costs."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.control.history import history_of
from app.control.workers import find
from app.store import RevisionRow, Store, Transaction
from schemas.runs import Worker
from tests.app.control.harness import Run, applied
from tests.app.control.test_history import row


def test_a_worker_has_the_revision_that_is_in_force_at_its_step_in_its_attempt(run: Run) -> None:
    run.create()
    run.revise({"kind": "scale", "factor": 0.5}, from_step=10)
    run.values(0, 40)
    for rank, at in enumerate((0, 9, 10, 39)):
        run.window(39, worker=f"rank-{rank}", at=at)
    run.rewind(20)
    run.window(20, worker="rank-3")
    found = {worker["worker"]: (worker["attempt"], worker["revision"]) for worker in run.workers()}
    del found["reader"]
    assert found == {"rank-0": (1, 1), "rank-1": (1, 1), "rank-2": (1, 2), "rank-3": (2, 3)}


def test_workers_cost_the_same_however_long_the_history_and_however_many_the_attempts(
    run: Run, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.create(total=None)
    counts = []
    for _ in range(2):
        for attempt in range(5):
            run.window(0, worker=f"rank-{attempt}", step_seconds=0.1)
            run.revise({"kind": "hold"})
            run.rewind(4)
        statements.clear()
        with monkeypatch.context() as patched:
            patched.setattr("app.store.sql._revision", lambda _row: pytest.fail("a revision was read"))
            assert len(run.workers()) == 5
        counts.append(len(statements))
    assert counts[0] == counts[1]


@st.composite
def histories(draw: st.DrawFn) -> list[RevisionRow]:
    """Any rows of a run: moved, dropped and cancelled ones among them."""
    rows = [row(1, 0)]
    for number in range(2, draw(st.integers(2, 9))):
        step, attempt = draw(st.integers(0, 12)), draw(st.integers(rows[-1].attempt, 3))
        pending = [one for one in rows[1:] if one.cancelled_by is None and one.action.kind != "cancel"]
        made = row(number, step, draw(st.integers(0, step)), attempt)
        if draw(st.booleans()) and pending:
            taken = draw(st.sampled_from(pending))
            rows[taken.number - 1] = replace(taken, cancelled_by=number)
            made = row(number, step, None, attempt, kind="cancel", revision=taken.number)
        dropped = draw(st.none() | st.integers(attempt + 1, 4))
        rows.append(replace(made, dropped_in=dropped))
    return rows


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=histories())
def test_the_database_says_what_is_in_force_as_the_history_does(store: Store, rows: list[RevisionRow]) -> None:
    places = [(attempt, step) for attempt in (1, 2, 3) for step in range(14)]
    histories = {attempt: history_of(rows, attempt) for attempt in (1, 2, 3)}
    with store.change() as tx:
        found = found_in(tx, rows, places)
    assert found == {(a, step): histories[a].rows[histories[a].at(step)].number for a, step in places}


def found_in(tx: Transaction, rows: list[RevisionRow], places: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """What the database finds, of a run that has these revisions."""
    uid = uuid4().hex
    run = tx.add_run(
        name=uid,
        uid=uid,
        status="active",
        attempt=1,
        start_step=0,
        horizon=0,
        revision=len(rows),
        last_event=0,
        lead=0,
        behind=False,
        created_plan={},
        labels={},
        bounds={},
        lead_seconds=15.0,
        max_window=16_384,
    )
    for one in rows:
        tx.add_revision(run.id, one)
        tx.update_revision(run.id, one.number, cancelled_by=one.cancelled_by, dropped_in=one.dropped_in)
    return tx.in_force(run.id, places)


def listed(run: Run) -> dict[str, Worker]:
    return {item.worker: item for item in find(run.control, run.name).items}


@pytest.mark.parametrize(
    ("name", "rank"), [("rank-0", 0), ("rank-12", 12), ("rank-", None), ("node-3", None), ("rank-²", None)]
)
def test_a_rank_is_what_the_name_says(run: Run, name: str, rank: int | None) -> None:
    run.create()
    run.window(0, worker=name)
    assert listed(run)[name].rank == rank


def test_a_worker_is_shown_as_it_said_last(run: Run) -> None:
    run.create()
    first = run.window(0, instance="i")
    values = list(first.values["lr"])
    same: dict[str, Any] = {"uid": first.uid, "attempt": 1, "instance": "i"}
    run.revise({"kind": "scale", "factor": 0.5}, from_step=8)
    second = run.window(8, at=5, step_seconds=2.0, applied=applied(values[:5], 0), **same)
    shown = listed(run)["rank-0"]
    assert (shown.step, shown.step_seconds, shown.instance, shown.attempt) == (5, 2.0, "i", 1)
    assert (shown.verified_until, shown.gaps, shown.state, shown.revision) == (5, [], "active", 1)
    run.window(second.stop, at=9, **same)
    assert listed(run)["rank-0"].revision == 2
    run.window(second.stop, at=9, leaving=True, **same)
    assert listed(run)["rank-0"].state == "left"


def test_workers_are_listed_by_name_also_those_that_another_reported_for(run: Run) -> None:
    run.create()
    first = run.window(0, instance="i")
    group = [{"worker": "rank-1", "at": 3}, {"worker": "rank-10", "at": 4}]
    run.window(8, at=2, uid=first.uid, attempt=1, instance="i", group=group)
    assert [(name, item.step) for name, item in listed(run).items()] == [("rank-0", 2), ("rank-1", 3), ("rank-10", 4)]
