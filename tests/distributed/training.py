"""A training job with its controller, and what must hold at its end: what each optimizer used is what is committed,
step by step, and the parameters of the ranks are the same."""

import contextlib
import json
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.ranks import Ranks, Task
from tests.service import ROOT, Service

BURST = 10
LEAD_SECONDS = 0.5
STEP_SECONDS = 0.004
PLAN = {"tracks": {"lr": {"kind": "constant", "value": 0.01}}}


@dataclass
class Job:
    """A job under way, and the calls of its controller."""

    service: Service
    folder: Path
    task: Task
    client: httpx.Client
    posted: int = 0

    def step(self) -> int:
        """The step that rank 0 has reached."""
        try:
            return int((self.folder / "step").read_text() or 0)
        except FileNotFoundError:
            return 0

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until the condition holds or the job ends."""
        while not self.task.over() and not condition():
            time.sleep(0.02)

    def answered(self, call: Callable[[], httpx.Response]) -> httpx.Response:
        """The answer to a call that is sent again while the service is away."""
        while not self.task.over():
            try:
                answer = call()
                if answer.status_code < 500:
                    return answer
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the job ended early: {self.task.log()}")

    def post(self, rate: float, from_step: int | None) -> bool:
        """Post a revision; False where a worker that was alone for a while has passed its step already."""
        body = {"action": {"kind": "set", "value": rate}, "from_step": from_step}
        key = {"idempotency-key": f"{self.posted}-{from_step}"}
        answer = self.answered(lambda: self.client.post("/v1/runs/job/revisions", json=body, headers=key))
        if answer.status_code == 409 and answer.json()["type"] == "urn:lockstep:problem:below-horizon":
            return False
        assert answer.status_code == 201, answer.text
        self.posted += 1
        return True

    def revise(self, count: int) -> None:
        """Post revisions until `count` of them are in force, each at a step of its own: burst after burst.

        Those that an outage moved take effect together; they count as one.
        """
        while self.in_force() < count and not self.task.over():
            step = self.answered(lambda: self.client.get("/v1/runs/job")).json()["horizon"] + 30
            for _ in range(BURST):
                if not self.post(0.001 * (1 + (self.posted * 7) % 13), step):
                    break
                step += 3
            self.wait_for(lambda passed=step: self.step() > passed)  # type: ignore[misc]

    def in_force(self) -> int:
        """How many steps that the job has passed are the first of a revision."""
        rows = self.answered(lambda: self.client.get("/v1/runs/job/revisions")).json()["items"]
        return len({row["from_step"] for row in rows[1:] if row["from_step"] < self.step()})

    def finish(self) -> list[dict[str, Any]]:
        """Ask the job to end and read what its ranks wrote."""
        (self.folder / "stop").touch()
        self.task.finish(180)
        return [json.loads((self.folder / f"rank-{rank}.json").read_text()) for rank in range(self.task.ranks.count)]


@contextlib.contextmanager
def training(
    ranks: Ranks, service: Service, folder: Path, lead_seconds: float = LEAD_SECONDS, **settings: Any
) -> Iterator[Job]:
    """A job with these settings, over a run of its own."""
    client = httpx.Client(base_url=service.url, timeout=5)
    created = {"run": "job", "plan": PLAN, "lead_seconds": lead_seconds}
    assert client.post("/v1/runs", json=created).status_code == 201
    job = {
        "folder": str(folder),
        "url": service.url,
        "run": "job",
        "step_seconds": STEP_SECONDS,
        "most_steps": 100_000,
        "stall_rank": 0,
        "stall_at": 10**9,
        "stall_seconds": 5.0,
        "policy": None,
        "timeout": 1.0,
        **settings,
    }
    with contextlib.closing(client):
        yield Job(service, folder, ranks.begin(ROOT / "tests/distributed/job.py", json.dumps(job)), client)


def compare(job: Job, ranks: list[dict[str, Any]], *, reported: bool = True) -> int:
    """All that must hold at the end; returns how many revisions were in force at steps that all ranks executed.

    `reported`: the service was there when the job ended, so that the last values could be reported too.
    """
    rates = [rank["rates"] for rank in ranks]
    executed = len(rates[0])
    assert {len(one) for one in rates} == {executed}
    assert [rank["difference"] for rank in ranks] == [0.0] * len(ranks)
    misaligned = [step for step in range(executed) if len({struct.pack("<d", one[step]) for one in rates}) != 1]
    assert misaligned == []
    query = {"start": 0, "stop": executed}
    assert rates[0] == httpx.get(f"{job.service.url}/v1/runs/job/values", params=query).json()["values"]["lr"]
    run = httpx.get(f"{job.service.url}/v1/runs/job").json()
    assert run["unverified"] == []
    workers = httpx.get(f"{job.service.url}/v1/runs/job/workers").json()["items"]
    assert len(workers) == len(ranks)
    if reported:
        assert min(worker["verified_until"] for worker in workers) >= executed - 1
    history = httpx.get(f"{job.service.url}/v1/runs/job/revisions").json()["items"]
    return len({row["from_step"] for row in history[1:] if row["from_step"] < executed})
