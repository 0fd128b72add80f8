"""The contract of `app.store`, over every database: durable, one writer a run, ordered, append-only, one clock."""

import threading
import uuid
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy.exc import IntegrityError

from app.errors import RunExists, UnknownRun
from app.store import RunRow, Segment, Store, Transaction, UnverifiedRow, WorkerRow

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


def revision(tx: Transaction, run: RunRow, number: int, from_step: int, attempt: int = 1) -> None:
    tx.add_revision(
        run.id,
        number=number,
        attempt=attempt,
        from_step=from_step,
        action={"kind": "hold"},
        plan=PLAN,
        reason="",
        author="a",
    )


def segment(start: int, stop: int, attempt: int = 1, fill: float = 0.0) -> Segment:
    return Segment(attempt, start, stop, 1, ("lr", "wd"), np.full(2 * (stop - start), fill, "<f8").tobytes())


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


def test_the_curve_is_what_holds_in_an_attempt_in_order_of_step_and_number(store: Store) -> None:
    with store.change() as tx:
        row = add(tx, name())
        for number, from_step, attempt in [(1, 0, 1), (2, 50, 1), (3, 20, 1), (4, 50, 1), (5, 90, 1), (6, 30, 2)]:
            revision(tx, row, number, from_step, attempt)
        tx.update_revision(row.id, 5, cancelled_by=6)
        tx.update_revision(row.id, 4, dropped_in=2)
    with store.read() as reader:

        def curve(attempt: int, start: int) -> list[int]:
            return [revision.number for revision in reader.curve(row.id, attempt, start)]

        assert curve(1, 0) == [1, 3, 2, 4]
        assert curve(2, 0) == [1, 3, 6, 2]
        assert curve(1, 50) == [4]
        assert curve(1, 49) == [3, 2, 4]
        assert curve(2, -1) == [1, 3, 6, 2]
        assert [r.number for r in reader.revisions(row.id, after=2, limit=2)] == [3, 4]
        assert reader.revision(row.id, 9) is None


def test_a_number_is_given_once(store: Store) -> None:
    with store.change() as tx:
        row = add(tx, name())
        revision(tx, row, 1, 0)
    with pytest.raises(IntegrityError), store.change() as tx:
        revision(tx, row, 1, 5)


def test_workers_are_put_whole_and_touched_forward_only(store: Store) -> None:
    worker = WorkerRow("rank-0", "a", None, 1, 10, 0.5, 0.0, 10, False)
    with store.change() as tx:
        row = add(tx, name())
        tx.put_workers(row.id, [worker, replace(worker, worker="rank-1")])
        tx.put_workers(row.id, [replace(worker, step=20, verified_until=20)])
        tx.touch_worker(row.id, replace(worker, step=30, verified_until=15))
        tx.touch_worker(row.id, replace(worker, instance="other", step=99, verified_until=99))
        tx.touch_worker(row.id, replace(worker, attempt=2, step=99, verified_until=99))
        tx.touch_worker(row.id, replace(worker, worker="rank-9"))
    with store.read() as reader:
        found = reader.workers(row.id)
        assert [(w.step, w.verified_until, w.instance) for w in found] == [(30, 20, "a"), (10, 10, "a")]
        assert abs(found[0].seen_at - reader.now()) < 60
        assert reader.worker(row.id, "rank-0") == found[0]
        assert reader.worker(row.id, "rank-9") is None


def test_unverified_ranges_are_kept_once(store: Store) -> None:
    with store.change() as tx:
        row = add(tx, name())
        for _ in range(2):
            tx.add_unverified(row.id, UnverifiedRow("rank-0", 1, 5, 9))
    with store.read() as reader:
        assert reader.unverified(row.id) == [UnverifiedRow("rank-0", 1, 5, 9)]


def test_alarms_are_the_newest_of_the_attempt(store: Store) -> None:
    with store.change() as tx:
        row = add(tx, name())
        tx.add_event(row, "quiet", "nothing")
        tx.add_event(row, "loud", "old", alarm=True, step=3)
        tx.add_event(row, "loud", "new", alarm=True)
        tx.update_run(row.id, attempt=2)
        tx.add_event(row, "loud", "later", alarm=True)
    with store.read() as reader:
        assert [event.detail for event in reader.alarms(row.id, 1)] == ["new", "old"]
        assert [event.detail for event in reader.alarms(row.id, 2)] == ["later"]
        assert reader.alarms(row.id, 1)[1].data == {"step": 3}


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
