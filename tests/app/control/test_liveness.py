"""Who is there (rule R11)."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from app.control.liveness import live, state_of
from app.store import WorkerRow
from app.store.tables import workers
from tests.app.control.harness import Run

WORKER = WorkerRow("rank-0", "a", None, 1, 10, None, 1000.0, 0, 16, False)


@pytest.mark.parametrize(
    ("silence", "seconds", "state"),
    [
        (30, None, "active"),  # two leads of 15 s
        (31, None, "lagging"),
        (90, None, "lagging"),  # six
        (91, None, "lost"),
        (31, 4.0, "active"),  # its own lead: 8 steps of 4 s
        (65, 4.0, "lagging"),
    ],
)
def test_silence_is_measured_in_the_workers_own_leads(
    run: Run, silence: float, seconds: float | None, state: str
) -> None:
    run.create()
    run.window(0)
    with run.control.store.read() as reader:
        row = reader.run(run.name)
    worker = replace(WORKER, step_seconds=seconds)
    assert state_of(row, worker, 1000 + silence) == state
    assert state_of(row, replace(worker, gone=True), 1000 + silence) == "left"
    assert bool(live(row, [worker], 1000 + silence)) is (state != "lost")
    assert live(row, [replace(worker, attempt=2)], 1000 + silence) == []


def test_a_worker_is_lost_after_a_minute_at_the_earliest(run: Run) -> None:
    run.create(lead_seconds=0.1)
    run.window(0)
    with run.control.store.read() as reader:
        row = reader.run(run.name)
    assert state_of(row, WORKER, 1060) == "lagging"
    assert state_of(row, WORKER, 1061) == "lost"


def test_a_clock_that_is_set_back_keeps_no_silent_worker_alive(run: Run) -> None:
    """It was heard of two days from now, and says no more: its silence counts from now on."""
    run.create()
    run.window(0)
    run.control.cache.write()
    store = run.control.store
    with store.change() as tx:
        now, row = tx.now(), tx.run(run.name)
        tx._connection.execute(update(workers).where(workers.c.run_id == row.id).values(seen_at=now + 172_800))
    run.control.cache._now = now + 172_800  # the clock that the round before had read
    run.control.cache.write()
    with store.read() as reader:
        assert reader.workers(row.id)[0].seen_at <= reader.now()
