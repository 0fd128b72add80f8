"""An honest job of two ranks beside callers who want to wear the service out: no step waits for its value.

The policy is `raise`: a rank whose next value is not in hand when it gets there would end the job. What the callers do
is what once held a service up for seconds or minutes: bodies with 100,000 mistakes, curves that take long to look at,
long histories with many attempts, and the largest answers that there are.
"""

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.campaigns import Figures, amount, sampled
from tests.distributed.training import compare, training
from tests.ranks import shared
from tests.service import Service, running

pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = [pytest.mark.distributed, pytest.mark.timeout(420)]

CALLERS = 8
SECONDS = amount(4, 60)
EVALUATE, RUN = "/v1/schedules/evaluate", "/v1/runs/hostile"
CONSTANT = {"kind": "constant", "value": 0.1}
SLOW = {"kind": "formula", "expression": " + ".join(["exp(sin(step))"] * amount(20, 200))}
MANY = {f"t{index}": {"kind": "track", "of": "lr", "factor": 1.0} for index in range(5000)}

Call = tuple[str, str, bytes, str]
"""Method, path, body, and what is accepted."""


def post(path: str, body: Any, accept: str = "application/json") -> Call:
    return "POST", path, json.dumps(body).encode(), accept


def get(path: str) -> Call:
    return "GET", path, b"", "application/json"


def errors(_service: Service) -> Iterator[Call]:
    wrong = {f"field_{index}": 1 for index in range(100_000)}
    members = [{"worker": f"rank-{index}", "at": 0, "ad": 0} for index in range(60_000)]
    calls = [
        post(EVALUATE, {"schedule": CONSTANT, "step": 0} | wrong),
        post(f"{RUN}/windows", {"worker": "rank-0", "step": 0} | wrong),
        post(f"{RUN}/windows", {"worker": "rank-0", "step": 0, "group": members}),
        post(f"{RUN}/revisions", {"action": {"kind": "hold"}} | wrong),
        post("/v1/runs", {"run": "hostile", "plan": {"tracks": {"lr": CONSTANT}}} | wrong),
        post(EVALUATE, {"schedule": CONSTANT, "step": 0, "x" * 3_900_000: 1}),
    ]
    return itertools.cycle(calls)


def curves(_service: Service) -> Iterator[Call]:
    plan = {"tracks": {"lr": SLOW}, "total_steps": 2**20}
    change = {"action": {"kind": "replace", "plan": plan}}
    for number in itertools.count():
        yield post("/v1/runs", {"run": f"hostile-{number}", "plan": plan, "bounds": {"lr": {"max": 1e9}}})
        yield post(f"{RUN}/revisions", change)
        yield post(f"{RUN}/revisions/preview", change)


def histories(service: Service) -> Iterator[Call]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for attempt in range(10):
            for _ in range(20):
                client.post(f"{RUN}/revisions", json={"action": {"kind": "scale", "factor": 0.99}}).raise_for_status()
            client.post(f"{RUN}/windows", json={"worker": f"rank-{attempt}", "step": 0}).raise_for_status()
            client.post(f"{RUN}/rewind", json={"to_step": 4}).raise_for_status()
    paths = ("workers", "values?stop=100000", "values?attempt=1", "revisions?plan=true", "events", "revisions")
    return itertools.cycle([get(f"{RUN}/{path}") for path in paths])


def answers(service: Service) -> Iterator[Call]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for number in range(4):
            made = {"run": f"large-{number}", "plan": {"tracks": {"lr": CONSTANT, **MANY}}}
            client.post("/v1/runs", json=made).raise_for_status()
    ramp = {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.0, "steps": "100%"}
    tracks = {f"t{index}": {**ramp, "end": index / 100} for index in range(40)}
    calls = [
        post(EVALUATE, {"schedule": ramp, "total_steps": amount(10**6, 10**7)}, "application/octet-stream"),
        post(EVALUATE, {"schedule": ramp, "total_steps": amount(2 * 10**5, 2 * 10**6)}),
        post("/v1/schedules/plot", {"plan": {"tracks": tracks, "total_steps": 10_000}}, "image/png"),
        get("/v1/runs"),
    ]
    return itertools.cycle(calls)


@contextlib.contextmanager
def besieged(service: Service, calls: Iterator[Call]) -> Iterator[list[int]]:
    """Callers that never pause, for the length of a block; gives the statuses of their answers."""
    statuses: list[int] = []
    over, turn = threading.Event(), threading.Lock()

    def call() -> None:
        with httpx.Client(base_url=service.url, timeout=300) as client:
            while not over.is_set():
                with turn:
                    method, path, body, accept = next(calls)
                headers = {"content-type": "application/json", "accept": accept}
                statuses.append(client.request(method, path, content=body, headers=headers).status_code)

    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("load", sampled([errors, curves, histories, answers], 1))
def test_no_step_waits_under_a_hostile_load(
    tmp_path: Path, record_property: Figures, load: Callable[[Service], Iterator[Call]]
) -> None:
    settings = {"agreement": "commit", "policy": "raise", "timeout": 5.0, "step_seconds": 0.02}
    with running(tmp_path) as service, training(shared(2), service, tmp_path, lead_seconds=15.0, **settings) as job:
        hostile = {"run": "hostile", "plan": {"tracks": {"lr": CONSTANT}}}
        httpx.post(f"{service.url}/v1/runs", json=hostile, timeout=60).raise_for_status()
        calls = load(service)
        job.wait_for(lambda: job.step() > 100)
        with besieged(service, calls) as statuses:
            threading.Event().wait(SECONDS)  # the length of the load, not a guess at somebody's speed
            before = job.step()
            job.wait_for(lambda: job.step() > before + 100)
        results = job.finish()
        assert [rank["error"] for rank in results] == [None, None], job.task.log()
        compare(job, results)
        assert statuses
        assert {status for status in statuses if status >= 500} <= {503}
        record_property("hostile requests", len(statuses))
        record_property("steps beside them", sum(len(rank["rates"]) for rank in results))
