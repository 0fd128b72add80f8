"""Who may have a window (rules R6 and R7): uids, attempts, restored databases, strangers."""

from typing import Any

import pytest

from app.control import runs, windows
from app.errors import AttemptSuperseded, HistoryBehind, Invalid, RunArchived, RunReplaced, UnknownRun
from app.identity import ANONYMOUS
from schemas.runs import WindowRequest
from tests.app.control.harness import Run, first


def linear(start: int, stop: int) -> list[float]:
    """1 -> 0 over 1000 steps, by another formula than the service's."""
    return [(1000 - step) / 1000 if step < 1000 else 0.0 for step in range(start, stop)]


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
    runs.archive(run.control, run.name, ANONYMOUS)
    with pytest.raises(RunArchived):
        run.window(2, at=2, uid=created["uid"], attempt=1)


def test_the_next_commit_reopens_a_finished_run(run: Run) -> None:
    run.create()
    run.window(0)
    runs.finish(run.control, run.name, ANONYMOUS)
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


# strangers


@pytest.mark.parametrize(
    ("claim", "pointer"),
    [
        ({"attempt": 99}, "/attempt"),
        ({"seen": {"revision": 99, "horizon": 0}}, "/seen"),
        ({"fallback": {"start": 8, "policy": "freeze", "revision": 1}, "step": 500_000}, "/fallback"),
        ({"applied": {"start": 0, "stop": 0, "tracks": ["lr"], "crc32": 0}}, "/applied"),
        ({"group": [{"worker": "rank-1", "at": 0}]}, "/group"),
        ({"leaving": True}, "/leaving"),
        ({"moved_from": 0}, "/moved_from"),
    ],
)
def test_a_stranger_claims_nothing_and_changes_nothing(run: Run, claim: dict[str, Any], pointer: str) -> None:
    run.create()
    run.window(0)
    before = run.get()
    asked = WindowRequest.model_validate({"worker": "stranger", "step": 0, **claim})
    with pytest.raises(Invalid) as caught:
        windows.from_store(run.control, run.name, asked)
    assert [at for at, _ in caught.value.errors] == [pointer]
    assert run.get() == before
    assert [worker["worker"] for worker in run.workers()] == ["rank-0"]
    assert run.window(8).stop > 8  # nothing was stopped


def test_a_stranger_may_join_and_commit_as_any_other(run: Run) -> None:
    run.create()
    assert run.window(0, worker="stranger", attempt=1).stop == 8
