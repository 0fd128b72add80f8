"""The contract of `app.store`, over every database: durable, one writer a run, ordered, append-only, one clock."""

import threading
import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from app.errors import RunExists, UnknownRun
from app.store import RevisionRow, RunRow, Segment, Store, Transaction, UnverifiedRow, WorkerRow
from app.store.tables import workers
from schemas.actions import HoldAction, RollbackAction
from schemas.plans import Plan

PLAN = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}


def name() -> str:
    return f"run-{uuid.uuid4().hex[:12]}"


def add(tx: Transaction, run: str, **values: object) -> RunRow:
    columns = {
        "name": run,
        "uid": uuid.uuid4().hex,
        "status": "active",
        "attempt": 1,
        "start_step": 0,
        "horizon": 0,
        "revision": 1,
        "last_event": 0,
        "lead": 0,
        "behind": False,
        "created_plan": PLAN,
        "labels": {},
        "bounds": {},
        "lead_seconds": 15.0,
        "max_window": 16384,
    }
    return tx.add_run(**{**columns, **values})


def revision(tx: Transaction, run: RunRow, number: int, from_step: int, attempt: int = 1) -> RevisionRow:
    row = RevisionRow(number, attempt, from_step, from_step, HoldAction(kind="hold"), None, "", "a")
    return tx.add_revision(run.id, row)


def segment(start: int, stop: int, attempt: int = 1, fill: float = 0.0) -> Segment:
    return Segment(attempt, start, stop, 1, "key", ("lr", "wd"), np.full(2 * (stop - start), fill, "<f8").tobytes())


def test_what_a_block_did_is_there_for_the_next_one(store: Store) -> None:
    run = name()
    with store.change() as tx:
        row = add(tx, run, labels={"team": "vision"}, start_step=7, horizon=7)
    with store.read() as reader:
        assert reader.run(run) == row
        assert [attempt.from_step for attempt in reader.attempts(row.id)] == [7]


def test_an_exception_takes_the_whole_block_back(store: Store) -> None:
    run = name()

    def fail() -> None:
        with store.change() as tx:
            add(tx, run)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    with store.read() as reader, pytest.raises(UnknownRun):
        reader.run(run)


def test_a_name_is_taken_once_and_the_loser_can_go_on_reading(store: Store) -> None:
    run = name()
    with store.change() as tx:
        first = add(tx, run)
    with store.change() as tx:
        with pytest.raises(RunExists):
            add(tx, run)
        assert tx.run(run) == first


def test_writers_of_one_run_take_turns(store: Store) -> None:
    """Read, add one, write: without the lock, updates of eight threads would be lost."""
    run = name()
    with store.change() as tx:
        add(tx, run)

    def advance() -> None:
        for _ in range(10):
            with store.change() as tx:
                row = tx.lock(run)
                tx.update_run(row.id, horizon=row.horizon + 1)

    threads = [threading.Thread(target=advance) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as reader:
        assert reader.run(run).horizon == 80


def test_events_count_without_holes_from_many_threads(store: Store) -> None:
    run = name()
    with store.change() as tx:
        row = add(tx, run)

    def write() -> None:
        for _ in range(10):
            with store.change() as tx:
                tx.add_event(tx.lock(run), "tick", "")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as reader:
        assert [event.id for event in reader.events(row.id)] == list(range(1, 41))
        assert [event.id for event in reader.events(row.id, after=30, limit=3)] == [31, 32, 33]


def test_a_step_has_one_value(store: Store) -> None:
    with store.change() as tx:
        row = add(tx, name())
        tx.add_segments(row.id, [segment(0, 8)])
    with pytest.raises(IntegrityError), store.change() as tx:
        tx.add_segments(row.id, [segment(0, 8, fill=1.0)])


def test_an_attempt_sees_its_own_segments_and_below_them_the_inherited_ones_cut(store: Store) -> None:
    with store.change() as tx:
        row = add(tx, name())
        tx.add_segments(row.id, [segment(0, 8, fill=1.0), segment(8, 16, fill=2.0), segment(16, 24, fill=3.0)])
        tx.add_attempt(row.id, 2, 12)
        tx.add_segments(row.id, [segment(12, 20, attempt=2, fill=4.0)])
        tx.add_attempt(row.id, 3, 4)
        tx.add_segments(row.id, [segment(4, 6, attempt=3, fill=5.0)])
    with store.read() as reader:

        def spans(attempt: int, start: int, stop: int) -> list[tuple[int, int, int]]:
            return [(s.attempt, s.start, s.stop) for s in reader.segments(row.id, attempt, start, stop)]

        assert spans(1, 0, 24) == [(1, 0, 8), (1, 8, 16), (1, 16, 24)]
        assert spans(2, 0, 20) == [(1, 0, 8), (1, 8, 12), (2, 12, 20)]
        assert spans(3, 0, 20) == [(1, 0, 4), (3, 4, 6)]
        assert spans(2, 9, 10) == [(1, 8, 10)]
        cut = reader.segments(row.id, 2, 8, 12)[0]
        assert cut.data == segment(8, 12, fill=2.0).data
        assert reader.segments(row.id, 1, 24, 30) == []


def test_revisions_come_typed_and_whole_in_order_of_number(store: Store) -> None:
    plan = Plan.model_validate(PLAN)
    with store.change() as tx:
        row = add(tx, name())
        for number, from_step, attempt in [(1, 0, 1), (2, 50, 1), (3, 20, 1), (4, 50, 2)]:
            revision(tx, row, number, from_step, attempt)
        first = RevisionRow(5, 2, 60, 60, RollbackAction(kind="rollback", revision=2), plan, "back", "b")
        stored = tx.add_revision(row.id, first)
        tx.update_revision(row.id, 3, cancelled_by=4, from_step=90)
        tx.update_revision(row.id, 2, dropped_in=2, dropped_reason="it does not hold")
    with store.read() as reader:
        assert [r.number for r in reader.revisions(row.id)] == [1, 2, 3, 4, 5]
        assert [r.number for r in reader.revisions(row.id, after=2, limit=2)] == [3, 4]
        assert reader.revision(row.id, 9) is None
        assert reader.revision(row.id, 5) == stored
        assert abs(stored.created_at - reader.now()) < 60
        moved, dropped = reader.revision(row.id, 3), reader.revision(row.id, 2)
        assert moved is not None
        assert (moved.from_step, moved.posted_step, moved.cancelled_by) == (90, 20, 4)
        assert dropped is not None
        assert (dropped.dropped_in, dropped.dropped_reason) == (2, "it does not hold")
        assert [r.number for r in reader.revisions_of([row.id])[row.id]] == [1, 2, 3, 4, 5]


def test_a_plan_is_kept_once_by_the_key_of_its_history(store: Store) -> None:
    plan = Plan.model_validate(PLAN)
    other = Plan.model_validate({"tracks": {"lr": {"kind": "constant", "value": 0.2}}})
    with store.change() as tx:
        one, two = add(tx, name()), add(tx, name())
        tx.add_plan(one.id, "a", plan)
        tx.add_plan(one.id, "a", other)
        tx.add_plan(two.id, "a", other)
    with store.read() as reader:
        assert reader.plans(one.id, ["a", "b"]) == {"a": plan}
        assert reader.plans_of({one.id: ["a"], two.id: ["b"]}) == {one.id: {"a": plan}, two.id: {}}


def test_a_number_is_given_once(store: Store) -> None:
    with store.change() as tx:
        row = add(tx, name())
        revision(tx, row, 1, 0)
    with pytest.raises(IntegrityError), store.change() as tx:
        revision(tx, row, 1, 5)


def test_workers_are_put_whole_and_touched_forward_only(store: Store) -> None:
    worker = WorkerRow("rank-0", "a", None, 1, 10, 0.5, 0.0, 10, 16, False)
    with store.change() as tx:
        row = add(tx, name())
        tx.put_workers(row.id, [worker, replace(worker, worker="rank-1")])
        tx.put_workers(row.id, [replace(worker, step=20, verified_until=20)])
        assert tx.touch_worker(row.id, replace(worker, step=30, verified_until=15, given=12))
        assert not tx.touch_worker(row.id, replace(worker, instance="other", step=99, verified_until=99))
        assert not tx.touch_worker(row.id, replace(worker, attempt=2, step=99, verified_until=99))
        assert not tx.touch_worker(row.id, replace(worker, worker="rank-9"))
    with store.read() as reader:
        found = reader.workers(row.id)
        assert [(w.step, w.verified_until, w.given, w.instance) for w in found] == [
            (30, 20, 16, "a"),
            (10, 10, 16, "a"),
        ]
        assert abs(found[0].seen_at - reader.now()) < 60
        assert reader.workers(row.id, ["rank-0"]) == [found[0]]
        assert reader.workers(row.id, ["rank-9"]) == []


def test_a_goodbye_stands_against_an_older_sign_of_life(store: Store) -> None:
    worker = WorkerRow("rank-0", "a", None, 1, 10, 0.5, 0.0, 10, 16, False)
    with store.change() as tx:
        row = add(tx, name())
        tx.put_workers(row.id, [replace(worker, gone=True)])
        assert not tx.touch_worker(row.id, replace(worker, step=30))
    with store.read() as reader:
        assert [(w.step, w.gone) for w in reader.workers(row.id)] == [(10, True)]
        assert reader.silent([row.id], 0.0) == {row.id: reader.workers(row.id)}


def test_no_worker_was_seen_in_the_future(store: Store) -> None:
    with store.change() as tx:
        row = add(tx, name())
        tx.put_workers(row.id, [WorkerRow("rank-0", "a", None, 1, 10, 0.5, 0.0, 10, 16, False)])
        tx._connection.execute(update(workers).where(workers.c.run_id == row.id).values(seen_at=tx.now() + 172_800))
        tx.clamp_seen()
    with store.read() as reader:
        assert reader.workers(row.id)[0].seen_at <= reader.now()
        assert reader.silent([row.id], reader.now() + 1)[row.id][0].worker == "rank-0"


def test_unverified_ranges_are_kept_once_with_the_graver_reason(store: Store) -> None:
    unreported = UnverifiedRow("rank-0", 1, 5, 9, "unreported")
    mismatch = replace(unreported, reason="mismatch")
    with store.change() as tx:
        row = add(tx, name())
        for mark in (unreported, unreported, mismatch, unreported):
            tx.add_unverified(row.id, mark)
        tx.add_unverified(row.id, replace(unreported, worker="rank-1"))
    with store.change() as tx:
        assert tx.unverified([row.id], worker="rank-0") == {row.id: [mismatch]}
        assert tx.unverified([row.id], reason="unreported") == {row.id: [replace(unreported, worker="rank-1")]}
        tx.remove_unverified(row.id, mismatch)
        assert tx.unverified([row.id], worker="rank-0") == {row.id: []}


def test_alarms_are_the_newest_of_the_present_attempt(store: Store) -> None:
    with store.change() as tx:
        first, other = add(tx, name()), add(tx, name())
        tx.add_event(first, "quiet", "nothing")
        tx.add_event(first, "loud", "old", alarm=True, step=3)
        tx.add_event(first, "loud", "new", alarm=True)
        tx.add_event(other, "loud", "another run's", alarm=True)
    with store.read() as reader:
        found = reader.alarms([first, other])
        assert [event.detail for event in found[first.id]] == ["new", "old"]
        assert [event.detail for event in found[other.id]] == ["another run's"]
        assert found[first.id][1].data == {"step": 3}
        assert [event.detail for event in reader.alarms([first], limit=1)[first.id]] == ["new"]
    with store.change() as tx:
        tx.update_run(first.id, attempt=2)
        tx.add_event(first, "loud", "later", alarm=True)
        assert [event.detail for event in tx.alarms([first])[first.id]] == ["later"]


def test_a_read_block_is_one_snapshot(store: Store) -> None:
    """Between two statements of a reader, a whole change is committed: it sees none of it."""
    run = name()
    with store.change() as tx:
        row = add(tx, run)
    with store.read() as reader:
        assert reader.run(run).attempt == 1
        with store.change() as tx:
            locked = tx.lock(run)
            tx.add_attempt(locked.id, 2, 0)
            tx.update_run(locked.id, attempt=2)
        assert [attempt.attempt for attempt in reader.attempts(row.id)] == [1]
        assert reader.run(run).attempt == 1
    with store.read() as reader:
        assert reader.run(run).attempt == 2


def test_runs_are_found_by_status_and_all_labels_newest_first(store: Store) -> None:
    mark = uuid.uuid4().hex
    with store.change() as tx:
        rows = [
            add(tx, name(), labels={"mark": mark, "n": str(i % 2)}, status="finished" if i == 3 else "active")
            for i in range(4)
        ]
    with store.read() as reader:

        def ids(**filters: str) -> list[int]:
            status = filters.pop("status", None)
            found = reader.find_runs(status=status, labels={"mark": mark, **filters}, after=None, limit=10)
            return [rows.index(row) for row in found]

        assert ids() == [3, 2, 1, 0]
        assert ids(n="1") == [3, 1]
        assert ids(status="active") == [2, 1, 0]
        assert [r.id for r in reader.find_runs(status=None, labels={"mark": mark}, after=rows[2].id, limit=1)] == [
            rows[1].id
        ]


def test_runs_are_read_as_they_are_taken(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def noted(*values: Any) -> RunRow:
        made.append(values[0])
        return RunRow(*values)

    mark = uuid.uuid4().hex
    with store.change() as tx:
        rows = [add(tx, name(), labels={"mark": mark}) for _ in range(20)]
    monkeypatch.setattr("app.store.sql.RunRow", noted)
    with store.read() as reader:
        found = reader.find_runs(status=None, labels={"mark": mark}, after=None, limit=20)
        assert [next(found).id for _ in range(3)] == made == [row.id for row in rows[:-4:-1]]
        found.close()
        assert reader.run(rows[0].name) == rows[0]


def of(start: int, *tracks: str) -> Segment:
    return replace(segment(start, start + 8), tracks=tracks, data=bytes(64 * len(tracks)))


def test_tracks_are_those_of_what_is_committed_in_the_range(store: Store) -> None:
    with store.change() as tx:
        row = add(tx, name())
        tx.add_segments(row.id, [of(0, "lr"), of(8, "lr", "wd"), of(16, "m")])
        tx.end_attempt(row.id, 1, 24)
        tx.add_attempt(row.id, 2, 12)
        tx.add_segments(row.id, [replace(of(12, "new"), attempt=2)])
        assert tx.tracks(row.id, 1, 0, 24) == {"lr", "wd", "m"}
        assert tx.tracks(row.id, 1, 0, 8) == {"lr"}
        assert tx.tracks(row.id, 1, 15, 17) == {"lr", "wd", "m"}
        assert tx.tracks(row.id, 2, 0, 24) == {"lr", "wd", "new"}
        assert tx.tracks(row.id, 2, 12, 20) == {"new"}
        assert tx.tracks(row.id, 2, 5, 5) == set()


def test_answers_to_keys_belong_to_run_and_call(store: Store) -> None:
    run = name()
    with store.change() as tx:
        tx.add_answer(run, "rewind", "k", "hash", 200, {"a": [1, None]})
    with store.read() as reader:
        answer = reader.answer(run, "rewind", "k")
        assert answer is not None
        assert (answer.body_hash, answer.status, answer.answer) == ("hash", 200, {"a": [1, None]})
        assert reader.answer(run, "create", "k") is None
        assert reader.answer(run + "x", "rewind", "k") is None
