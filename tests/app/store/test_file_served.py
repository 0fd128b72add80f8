"""A service that loses its database, with real files: it acknowledges nothing more, says why, and is not ready."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.waiting import until
from tests.service import Service, running

PLAN = {"tracks": {"lr": {"kind": "constant", "value": 0.1}}}
HALVE = {"action": {"kind": "scale", "factor": 0.5}}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path) as one:
        assert post(one, "", {"run": "a", "plan": PLAN}).status_code == 201
        assert post(one, "/a/windows", {"worker": "rank-0", "step": 0}).status_code == 200
        yield one


def post(service: Service, path: str, body: Any) -> httpx.Response:
    return httpx.post(f"{service.url}/v1/runs{path}", json=body, timeout=60)


def ready(service: Service) -> int:
    return httpx.get(f"{service.url}/readyz", timeout=60).status_code


def refuses_everything(service: Service, reason: str) -> None:
    """Changes, commits and the question whether it is ready are 503, and each is in the log with the reason."""
    before = service.log().count(": 503, ")
    answers = [
        post(service, "/a/revisions", HALVE),
        post(service, "/a/windows", {"worker": "rank-1", "step": 8, "at": 8}),
        post(service, "", {"run": "b", "plan": PLAN}),
        httpx.get(f"{service.url}/readyz", timeout=60),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:lockstep:problem:unavailable")
        assert reason in answer.json()["detail"]
    until(lambda: service.log().count(": 503, ") >= before + len(answers))  # a line is written behind its answer
    logged = [line for line in service.log().splitlines() if ": 503, " in line]
    assert len(logged) == before + len(answers)
    assert reason in logged[-4]
    assert "POST '/v1/runs/a/revisions'" in logged[-4]
    assert httpx.get(f"{service.url}/healthz", timeout=60).status_code == 200


def test_a_file_that_was_deleted(service: Service, tmp_path: Path) -> None:
    (tmp_path / "lockstep.db").unlink()
    refuses_everything(service, "cannot be found any more")
    assert not (tmp_path / "lockstep.db").exists()


def test_memory_does_not_say_yes_for_long_of_what_is_gone(service: Service, tmp_path: Path) -> None:
    """A window in hand needs no database; within a second or so the service notices, whoever asks."""
    asked = {"worker": "rank-0", "step": 0}
    known = {**asked, **{key: post(service, "/a/windows", asked).json()[key] for key in ("uid", "attempt")}}
    (tmp_path / "lockstep.db").rename(tmp_path / "away")
    until(lambda: post(service, "/a/windows", known).status_code == 503, 60.0)
    (tmp_path / "away").rename(tmp_path / "lockstep.db")
    assert post(service, "/a/windows", known).status_code == 200
    assert ready(service) == 200


def test_a_file_that_is_damaged(service: Service, tmp_path: Path) -> None:
    """Its first page is whole: only what reads the others finds out, and from then on nothing of it is believed."""
    service.stop()
    service.start()
    with (tmp_path / "lockstep.db").open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    assert ready(service) == 200
    refuses_everything(service, "is damaged (database disk image is malformed)")


def test_a_disk_that_is_full(service: Service, tmp_path: Path) -> None:
    """No file may grow beyond what the log has: as full as a disk can be. It mends by itself when there is room."""
    assert service.process is not None
    limits = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
    size = (tmp_path / "lockstep.db-wal").stat().st_size
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (size, limits[1]))
    refuses_everything(service, "the database failed: ")
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, limits)
    assert post(service, "/a/revisions", HALVE).json()["number"] == 2
    assert ready(service) == 200
