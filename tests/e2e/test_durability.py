"""SIGKILL at random moments while revisions and windows are committed: what was acknowledged stays as it was.

A controller posts revisions (a thousand in a long run), two workers ask for windows and report what they used, and the
service is killed and started again on the same file. Everybody sends a call again until it is answered, a revision
under the same key.
"""

import random
import struct
import threading
import time
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.campaigns import Figures, amount
from tests.service import Service, running

REVISIONS = amount(60, 1000)
KILLS = amount(3, 12)
DOUBLE = 8
OCTETS = {"accept": "application/octet-stream"}


@dataclass
class Record:
    """What was acknowledged."""

    revisions: dict[int, dict[str, Any]] = field(default_factory=dict)
    values: dict[int, float] = field(default_factory=dict)
    verified_until: dict[str, int] = field(default_factory=dict)
    posted: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    failures: list[BaseException] = field(default_factory=list)


def until_answered(call: Callable[[], httpx.Response]) -> httpx.Response:
    """Send a call again while the service is away."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            answer = call()
        except httpx.TransportError:
            time.sleep(0.005)  # a back-off, so that the dead port is not hammered
            continue
        if answer.status_code != 503:
            return answer
    raise AssertionError("the service did not come back")


def control(service: Service, record: Record) -> None:
    """Post revisions, each under a key of its own, until all are acknowledged."""
    with httpx.Client(base_url=service.url, timeout=10) as client:
        for number in range(REVISIONS):
            body = {"action": {"kind": "set", "value": 0.001 * (number + 1)}, "reason": f"change {number}"}
            key = {"idempotency-key": uuid.uuid4().hex}
            answer = until_answered(
                lambda body=body, key=key: client.post("/v1/runs/kill/revisions", json=body, headers=key)  # type: ignore[misc]
            )
            assert answer.status_code == 201, answer.text
            revision = answer.json()
            assert revision["number"] not in record.revisions
            record.revisions[revision["number"]] = revision
            record.posted += 1


def work(service: Service, record: Record, worker: str) -> None:
    """Ask for window after window, as a job would, and report the values; no step may ever show a second value."""
    step, verified, uid = 0, 0, None
    with httpx.Client(base_url=service.url, timeout=10) as client:
        while not record.stop.is_set():
            held = [record.values[i] for i in range(verified, step)]
            crc = zlib.crc32(struct.pack(f"<{len(held)}d", *held))
            body: dict[str, Any] = {"worker": worker, "step": step, "step_seconds": 0.001}
            if uid is not None:
                body |= {"uid": uid, "attempt": 1}
                body["applied"] = {"start": verified, "stop": step, "tracks": ["lr"], "crc32": crc}
            answer = until_answered(
                lambda body=body: client.post("/v1/runs/kill/windows", json=body, headers=OCTETS)  # type: ignore[misc]
            )
            assert answer.status_code == 200, answer.text
            for offset, (value,) in enumerate(struct.iter_unpack("<d", answer.content)):
                assert record.values.setdefault(step + offset, value) == value, "a committed value changed"
            verified = int(answer.headers["lockstep-verified-until"])
            assert verified >= record.verified_until.get(worker, 0), "an acknowledged report was lost"
            record.verified_until[worker] = verified
            step, uid = int(answer.headers["lockstep-stop"]), answer.headers["lockstep-uid"]


@pytest.mark.sampled
@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_sigkill(tmp_path: Path, record_property: Figures) -> None:
    record = Record()
    plan = {"tracks": {"lr": {"kind": "constant", "value": 1.0}}}
    with running(tmp_path) as service:
        settings = {"run": "kill", "plan": plan, "lead_seconds": 0.02, "max_window": 32}
        assert httpx.post(f"{service.url}/v1/runs", json=settings).status_code == 201

        def guarded(target: Callable[..., None], *arguments: Any) -> None:
            try:
                target(service, record, *arguments)
            except BaseException as error:
                record.failures.append(error)
                record.stop.set()

        controller = threading.Thread(target=guarded, args=(control,))
        workers = [threading.Thread(target=guarded, args=(work, f"rank-{rank}")) for rank in range(2)]
        for thread in (controller, *workers):
            thread.start()
        dice = random.Random(7)
        for kill in range(KILLS):
            due = REVISIONS * (kill + 1) // (KILLS + 1)
            while record.posted < due and controller.is_alive():
                controller.join(dice.uniform(0.001, 0.01))
            service.kill()
            service.start()
        controller.join()
        record.stop.set()
        for thread in workers:
            thread.join()
        assert record.failures == []

        history = httpx.get(f"{service.url}/v1/runs/kill/revisions", params={"plan": True}).json()
        rows = (
            history["items"]
            + (
                httpx.get(f"{service.url}/v1/runs/kill/revisions", params={"plan": True, "cursor": 1000}).json()[
                    "items"
                ]
            )
        )
        assert [row["number"] for row in rows] == list(range(1, REVISIONS + 2))
        for row in rows[1:]:
            acknowledged = record.revisions[row["number"]]
            assert {key: row[key] for key in ("from_step", "action", "plan", "reason")} == {
                key: acknowledged[key] for key in ("from_step", "action", "plan", "reason")
            }
        run = httpx.get(f"{service.url}/v1/runs/kill").json()
        assert run["unverified"] == []
        assert run["horizon"] >= max(record.values) + 1
        stored = httpx.get(
            f"{service.url}/v1/runs/kill/values",
            params={"start": 0, "stop": run["horizon"]},
            headers=OCTETS,
        )
        committed = stored.content
        for step, value in record.values.items():
            assert committed[step * DOUBLE : (step + 1) * DOUBLE] == struct.pack("<d", value)
        for worker in httpx.get(f"{service.url}/v1/runs/kill/workers").json()["items"]:
            assert worker["verified_until"] >= record.verified_until[worker["worker"]]
        assert len(record.values) > REVISIONS
        record_property("kills", KILLS)
        record_property("revisions acknowledged", len(record.revisions))
        record_property("values acknowledged", len(record.values))
