"""What goes wrong around a run, with a real service and a real client: each is noticed, and the user reads what to do.

The client's thread decides when it asks; the tests walk step by step until the answer has come.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import lockstep
from lockstep import errors
from tests.service import Service, running

PLAN: dict[str, Any] = {"tracks": {"lr": {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 100_000}}}
MOST = 100_000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path) as one:
        yield one


@pytest.fixture
def controller(shared: Service) -> Iterator[lockstep.Client]:
    with lockstep.Client(shared.url) as one:
        yield one


@pytest.fixture
def client(service: Service) -> Iterator[lockstep.Client]:
    with lockstep.Client(service.url) as one:
        yield one


def follow(service: Service, run: str = "job", plan: Any = PLAN, **more: Any) -> lockstep.Follower:
    arguments = {"worker": "rank-0", "policy": "wait", "wait_seconds": 30.0, "lead_seconds": 0.05, **more}
    return lockstep.Follower(run, plan, url=service.url, **arguments)


def walk(follower: lockstep.Follower, start: int, stop: int) -> list[float]:
    return [follower.value(step).value for step in range(start, stop)]


def copy(service: Service, to: Path) -> None:
    """A cold copy of the database."""
    for file in service.folder.glob("lockstep.db*"):
        shutil.copy(file, to / file.name)


def test_a_restored_older_database_is_named_and_a_rewind_mends_it(
    service: Service, client: lockstep.Client, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    with follow(service) as job:
        walk(job, 0, 50)
        service.stop()
        copy(service, backup)
        service.start()
        walk(job, 50, 2000)
        service.kill()
        for file in service.folder.glob("lockstep.db*"):
            file.unlink()
        for file in backup.iterdir():
            shutil.copy(file, service.folder / file.name)
        service.start()
        with pytest.raises(errors.HistoryBehind, match="restored from an older copy"):
            walk(job, 2000, MOST)
    run = client.run("job")
    assert [alarm["type"] for alarm in run["alarms"]] == ["history-behind"]
    with pytest.raises(errors.HistoryBehind, match="rewind"):
        client.window("job", {"worker": "rank-1", "step": run["horizon"]})
    client.rewind("job", run["horizon"] // 2)
    with follow(service, step=run["horizon"] // 2) as again:
        assert walk(again, run["horizon"] // 2, run["horizon"] + 20)


def test_a_deleted_database_is_named_and_the_run_is_not_created_again(
    service: Service, client: lockstep.Client
) -> None:
    with follow(service) as job:
        walk(job, 0, 50)
        service.kill()
        for file in service.folder.glob("lockstep.db*"):
            file.unlink()
        service.start()
        with pytest.raises(errors.UnknownRun, match="database was deleted"):
            walk(job, 50, MOST)
    assert client.runs() == []


def test_a_run_created_anew_under_the_name_is_not_mixed_up_with_the_old_one(
    service: Service, client: lockstep.Client
) -> None:
    with follow(service) as job:
        walk(job, 0, 50)
        service.kill()
        for file in service.folder.glob("lockstep.db*"):
            file.unlink()
        service.start()
        client.create_run("job", PLAN)
        with pytest.raises(errors.RunReplaced, match="Another run was created under this name"):
            walk(job, 50, MOST)


def test_a_restarted_script_with_an_edited_plan_is_told_its_choices(
    shared: Service, controller: lockstep.Client
) -> None:
    with follow(shared, "edited") as job:
        before = walk(job, 0, 20)
    edited = {"tracks": {"lr": {"kind": "constant", "value": 0.5}}}
    with pytest.raises(errors.RunExists, match="if_exists='keep'"), follow(shared, "edited", plan=edited) as job:
        walk(job, 0, 1)
    with follow(shared, "edited", plan=edited, if_exists="keep") as job:
        assert walk(job, 0, 20) == before


def test_a_restarted_script_does_not_undo_a_controller(shared: Service, controller: lockstep.Client) -> None:
    with follow(shared, "restarted") as job:
        walk(job, 0, 20)
    revision = controller.revise("restarted", {"kind": "set", "value": 0.25})
    with follow(shared, "restarted", step=10) as job:
        replayed = walk(job, 10, revision["from_step"] + 5)
    assert replayed[-5:] == [0.25] * 5
    assert replayed[0] == 1.0 - 10 / 100_000


def test_a_duplicate_job_raises_the_alarm(shared: Service, controller: lockstep.Client) -> None:
    with follow(shared, "duplicate") as one, follow(shared, "duplicate") as two:
        for step in range(0, MOST, 10):
            walk(one, step, step + 10)
            walk(two, step, step + 10)
            if controller.run("duplicate")["alarms"]:
                break
    alarm = controller.run("duplicate")["alarms"][0]
    assert alarm["type"] == "worker-duplicate"
    assert "two processes report as rank-0" in alarm["detail"]


def test_a_superseded_job_is_told_to_restart_from_the_checkpoint(shared: Service, controller: lockstep.Client) -> None:
    with follow(shared, "superseded") as job:
        walk(job, 0, 200)
        controller.rewind("superseded", 100, action={"kind": "scale", "factor": 0.5})
        with pytest.raises(errors.AttemptSuperseded, match="rewound") as caught:
            walk(job, 200, MOST)
        assert caught.value.to_step == 100
        job.rejoin(100)
        assert walk(job, 100, 102) == [0.5 * (1 - 100 / 100_000), 0.5 * (1 - 101 / 100_000)]


def test_a_retried_rewind_rewinds_once(shared: Service, controller: lockstep.Client) -> None:
    with follow(shared, "retried") as job:
        walk(job, 0, 50)
    key = {"idempotency-key": "rewind-1"}
    answers = [
        httpx.post(f"{shared.url}/v1/runs/retried/rewind", json={"to_step": 20}, headers=key).json() for _ in range(3)
    ]
    assert answers[0] == answers[1] == answers[2]
    assert controller.run("retried")["attempt"] == 2


def test_a_return_after_an_outage_longer_than_the_lead_leaves_no_hole_and_verifies(
    service: Service, client: lockstep.Client
) -> None:
    """R8: the job follows its tail while the service is dead; what it used is committed as it was used."""
    with follow(service, policy="follow", wait_seconds=1.0) as job:
        used = walk(job, 0, 500)
        service.kill()
        step = 500
        while job.value(step).reason == "committed":
            used.append(job.value(step).value)
            step += 1
        for _ in range(200):
            used.append(job.value(step).value)
            step += 1
        service.start()
        while (reading := job.value(step)).reason != "committed":
            assert step < MOST
            used.append(reading.value)
            step += 1
            time.sleep(0.0005)  # the pace of a training: without one the loop would outrun `max_gap` in a second
        first_committed = step
        used += walk(job, step, step + 200)
    stored = client.values("job", start=0, stop=first_committed + 200)["values"]["lr"]
    assert stored == used
    run = client.run("job")
    assert run["unverified"] == []
    events = httpx.get(f"{service.url}/v1/runs/job/events").json()["items"]
    assert {event["data"]["policy"] for event in events if event["type"] == "gap-committed"} == {"follow"}
