"""A change is worked out where nobody waits, and stored only if the run still stands where it was seen."""

from dataclasses import replace
from typing import Any

import pytest

from app.control.changes import TRIES, archived, change, same_state
from app.errors import RunArchived
from app.store import Reader, RunRow, Transaction
from schemas.runs import RunPatch
from tests.app.control.harness import Run


def seen(run: Run, moved: list[int]) -> tuple[list[bool], list[int]]:
    """A change of a run that another writer moves while it is worked out, so many times: (under a lock, horizons)."""
    locked: list[bool] = []
    stored: list[int] = []

    def work_out(reader: Reader, row: RunRow) -> int:
        locked.append(isinstance(reader, Transaction))
        if moved:
            with run.control.store.change() as tx:
                tx.lock(run.name)
                tx.update_run(row.id, horizon=moved.pop())
        return row.horizon

    def store(tx: Transaction, row: RunRow, worked: int) -> Any:
        stored.extend([row.horizon, worked])
        return 200, RunPatch()

    change(run.control, run.name, "test", None, RunPatch, work_out, store)
    return locked, stored


def test_what_nobody_disturbs_is_worked_out_once_and_without_the_lock(run: Run) -> None:
    run.create()
    assert seen(run, []) == ([False], [0, 0])


def test_what_was_worked_out_for_another_state_is_never_stored(run: Run) -> None:
    run.create()
    locked, stored = seen(run, [6, 5])
    assert (locked, stored) == ([False] * 3, [6, 6])


def test_in_the_end_it_is_worked_out_under_the_lock(run: Run) -> None:
    run.create()
    locked, stored = seen(run, list(range(5, 5 + TRIES)))
    assert locked == [False] * TRIES + [True]
    assert stored[0] == stored[1]


def test_a_state_is_the_same_whatever_was_said_of_it(run: Run) -> None:
    run.create()
    with run.control.store.read() as reader:
        row = reader.run(run.name)
    assert same_state(row, replace(row, last_event=9, lead=3))
    for other in (replace(row, horizon=9), replace(row, revision=9), replace(row, attempt=9), replace(row, moves=9)):
        assert not same_state(row, other)
    assert archived(row).members == {"uid": row.uid}


def test_a_closed_run_is_not_changed(run: Run) -> None:
    run.create()
    with run.control.store.change() as tx:
        tx.update_run(tx.lock(run.name).id, status="archived")
    with pytest.raises(RunArchived, match="is archived; its name stays taken"):
        seen(run, [])
