"""What is known without the database and what is not in it yet: bounds, one writer, nothing acknowledged too early."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from app.control import runs, windows
from app.control.cache import Cache
from app.control.context import Control
from app.errors import DataLost, Unavailable
from app.identity import ANONYMOUS
from app.store import Reader, RunRow, Segment, Store, Transaction, WorkerRow
from schemas.plans import Plan
from schemas.runs import RunCreate, Window, WindowRequest
from tests.app.control.harness import Run, applied, first

RUN = RunRow(1, "run", "uid", "active", 1, 0, 8, 1, 0, 0, 8, False, {}, {}, {}, 15.0, 16_384, 0.0)
PLAN = Plan.model_validate({"tracks": {"lr": {"kind": "constant", "value": 0.5}}})


def run_row(number: int, **more: Any) -> RunRow:
    return replace(RUN, id=number, name=f"run-{number}", uid=f"uid-{number}", **more)


def segment(start: int, stop: int) -> Segment:
    return Segment(1, start, stop, 1, "key", ("lr",), bytes(8 * (stop - start)))


def ask(run: Run, step: int, **more: Any) -> Window | None:
    about = {"worker": "rank-0", "uid": run.get()["uid"], "attempt": 1, "step": step, "at": step, **more}
    return windows.from_memory(run.control, run.name, WindowRequest.model_validate(about))


# bounds


def test_five_thousand_runs_do_not_fit_into_ten_bytes(store: Store) -> None:
    cache = Cache(store, 10)
    for number in range(5000):
        cache.put(run_row(number), plans={"key": PLAN})
    assert len(cache._runs) == 0


def test_the_runs_that_were_used_last_are_kept_with_what_they_hold(store: Store) -> None:
    cache = Cache(store, 100_000)
    for number in range(1000):
        cache.put(run_row(number), plans={"key": PLAN})
        assert cache.run("run-0") is not None  # always in use
    kept = list(cache._runs)
    assert 10 < len(kept) < 100
    assert "run-999" in kept
    assert cache._size == sum(entry.size for entry in cache._runs.values()) <= 100_000


def test_plans_and_segments_of_one_run_are_bounded(store: Store) -> None:
    cache = Cache(store, 80_000)
    for number in range(200):
        cache.put(RUN, [segment(8 * number, 8 * number + 8)], plans={f"key-{number}": PLAN})
    entry = cache._runs["run"]
    assert sum(entry.sizes.values()) <= 10_000
    assert entry.plans.keys() == entry.sizes.keys()
    assert "key-199" in entry.plans
    assert sum(len(one.data) for one in cache.segments(RUN)) <= 10_000
    assert cache.segments(RUN)[-1].stop == 1600


def test_an_older_state_teaches_nothing(store: Store) -> None:
    cache = Cache(store, 2**20)
    cache.put(replace(RUN, attempt=2, horizon=20))
    cache.put(replace(RUN, attempt=1, horizon=90), [segment(0, 8)])
    cache.put(replace(RUN, attempt=2, horizon=12))
    known = cache.run("run")
    assert known is not None
    assert (known.attempt, known.horizon) == (2, 20)
    assert cache.segments(known) == ()


def test_memory_of_another_uid_is_never_used(store: Store) -> None:
    cache = Cache(store, 2**20)
    cache.put(RUN, [segment(0, 8)], [WorkerRow("rank-0", None, None, 1, 0, None, 0.0, 0, 8, False)])
    other = replace(RUN, uid="other")
    assert cache.segments(other) == ()
    assert cache.heard(other, "rank-0") is None
    cache.put(other)
    assert cache.segments(RUN) == ()


# the writer


def test_a_failed_write_acknowledges_nothing_and_is_tried_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.create()
    values = first(run.window(0))
    report = {"applied": applied(values[:2], 0)}
    assert ask(run, 2, **report) is not None

    def fails(*_arguments: Any) -> bool:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "touch_worker", fails)
        with pytest.raises(Unavailable):
            run.control.cache.write()
        run.control.cache._try_to_write()  # as the thread does, which goes on
    answer = ask(run, 2)
    assert answer is not None
    assert answer.verified_until == 0
    run.control.cache.write()
    answer = ask(run, 2)
    assert answer is not None
    assert answer.verified_until == 2


def test_memory_knows_nothing_of_what_is_lost(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds of committed values may be in no file any more; what it was told waits for one."""
    run.create()
    values = first(run.window(0))
    assert ask(run, 2, applied=applied(values[:2], 0)) is not None
    with monkeypatch.context() as patched:
        patched.setattr(Reader, "now", lambda _reader: fail("gone"))
        run.control.cache._try_to_write()
    assert ask(run, 2) is None
    run.window(2)
    run.control.cache.write()
    (worker,) = run.workers()
    assert worker["verified_until"] == 2


def fail(reason: str) -> float:
    raise DataLost(reason)


def test_a_report_for_a_row_that_is_not_there_is_not_acknowledged(run: Run) -> None:
    """Another replica let another process take the name."""
    run.create()
    values = first(run.window(0, instance="a"))
    assert ask(run, 2, instance="a", applied=applied(values[:2], 0)) is not None
    store = run.control.store
    with store.change() as tx:
        row = tx.run(run.name)
        (worker,) = tx.workers(row.id)
        tx.put_workers(row.id, [replace(worker, instance="b", previous="a")])
    run.control.cache.write()
    assert ask(run, 2, instance="a") is None  # only the database may answer now
    with store.read() as reader:
        assert [(w.instance, w.verified_until) for w in reader.workers(row.id)] == [("b", 0)]


def test_a_sign_of_life_that_waits_does_not_bring_a_worker_back_that_left(run: Run) -> None:
    run.create()
    run.window(0)
    assert ask(run, 2) is not None
    taken = dict(run.control.cache._waiting)
    run.window(2, at=2, leaving=True)
    run.control.cache._waiting.update(taken)  # as if the writer had it in hand already
    run.control.cache.write()
    assert [worker["state"] for worker in run.workers()] == ["left"]
    run.control.cache.write()
    assert run.control.cache._waiting == {}


def test_what_waits_outlives_the_memory_of_its_run(run: Run) -> None:
    run.create()
    values = first(run.window(0))
    assert ask(run, 2, applied=applied(values[:2], 0)) is not None
    run.control.cache._forget(run.name)
    assert run.workers()[0]["verified_until"] == 2
    run.control.cache.write()
    with run.control.store.read() as reader:
        assert reader.workers(reader.run(run.name).id)[0].verified_until == 2


def test_the_thread_writes_what_is_left_when_it_is_stopped(run: Run) -> None:
    run.create()
    values = first(run.window(0))
    run.control.cache.start()
    assert ask(run, 2, applied=applied(values[:2], 0)) is not None
    run.control.cache.stop()
    with run.control.store.read() as reader:
        assert reader.workers(reader.run(run.name).id)[0].verified_until == 2


def test_many_threads_use_it_at_once(store: Store) -> None:
    """Readers go through what others put in and what is forgotten meanwhile."""
    cache = Cache(store, 60_000)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for number in range(300):
                row = run_row((seed + number) % 40)
                cache.put(row, [segment(0, 8)], [WorkerRow(f"rank-{seed}", None, None, 1, 0, None, 0.0, 0, 8, False)])
                cache.segments(row)
                cache.newest(row, [WorkerRow(f"rank-{seed}", None, None, 1, 0, None, 0.0, 0, 8, False)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert cache._size == sum(entry.size for entry in cache._runs.values()) <= 60_000


# what a request asks of the database


def test_a_join_asks_for_its_own_worker_and_reads_nothing_back(run: Run, statements: list[str]) -> None:
    run.create()
    for rank in range(12):
        run.window(0, worker=f"rank-{rank}")
    statements.clear()
    run.window(0, worker="late")
    asked = [one for one in statements if not one.startswith(("BEGIN", "SET"))]
    assert len(asked) == 3, asked  # lock the run, look for the worker, put it
    assert "segments" not in "".join(statements)


def test_listing_runs_takes_as_many_statements_for_fifty_as_for_five(control: Control, statements: list[str]) -> None:
    mark = f"{id(statements)}"
    plan = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}
    for number in range(50):
        asked = {"run": f"list-{mark}-{number}", "plan": plan, "labels": {"mark": mark}}
        runs.create(control, RunCreate.model_validate(asked), ANONYMOUS)
    counts = []
    for limit in (5, 50):
        statements.clear()
        fresh = Control(control.store, Cache(control.store, 2**26))
        assert len(runs.find(fresh, labels={"mark": mark}, limit=limit).items) == limit
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 10
