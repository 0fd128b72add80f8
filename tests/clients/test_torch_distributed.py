"""Real ranks under torchrun, over gloo: the same rates and the same weights at every rank, whatever happens."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lockstep.testing import FakeRun, FakeService
from tests.clients.waiting import until
from tests.ranks import shared

JOB = Path(__file__).parent / "jobs" / "ddp.py"

RANKS = 2  # tests/distributed has four, test_group.py three

pytestmark = pytest.mark.distributed


def torchrun(
    folder: Path, steps: int, options: dict[str, Any], meanwhile: Callable[[FakeService], None]
) -> tuple[FakeRun, list[dict[str, Any]]]:
    """Run the job; the run as it is afterwards, and what every rank wrote down."""
    service = FakeService(lambda step: 0.1 / (1 + step / 100), lead=32)
    with service.serve() as url:
        job = shared(RANKS).begin(JOB, url, str(folder), str(steps), json.dumps(options))
        until(lambda: job.over() or ("job" in service.runs and service.runs["job"].horizon > 60))
        if not job.over():
            meanwhile(service)
        job.finish(120)
    return service.runs["job"], [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(RANKS)]


def grown(run: FakeRun, step: int) -> bool:
    return run.horizon > step


def test_changes_and_an_outage_are_the_same_at_every_rank_in_broadcast_mode(tmp_path: Path) -> None:
    def meanwhile(service: FakeService) -> None:
        run = service.runs["job"]
        for _ in range(3):
            first = run.revise({"kind": "scale", "factor": 0.9})["from_step"]
            until(partial(grown, run, first))
        service.down = True
        start = len(service.requests)
        until(lambda: len(service.requests) > start + 8)
        run.revise({"kind": "scale", "factor": 0.5})
        service.down = False

    run, ranks = torchrun(tmp_path, 400, {"pace": 0.005, "policy": "follow"}, meanwhile)
    assert all(rank["weights"] == ranks[0]["weights"] and rank["used"] == ranks[0]["used"] for rank in ranks)
    used = {int(step): value for step, (value, _) in ranks[0]["used"].items()}
    assert used == {step: run.value(step) for step in range(400)}
    assert {reason for _, reason in ranks[0]["used"].values()} > {"committed"}
    assert {name: worker["verified_until"] for name, worker in run.workers.items()} == {
        f"rank-{rank}": 400 for rank in range(RANKS)
    }
    assert run.unverified == []


def test_in_commit_mode_an_outage_is_waited_for(tmp_path: Path) -> None:
    def meanwhile(service: FakeService) -> None:
        service.status = 500
        start = len(service.requests)
        until(lambda: len(service.requests) > start + 10)
        service.runs["job"].revise({"kind": "scale", "factor": 0.5})
        service.status = None

    run, ranks = torchrun(tmp_path, 200, {"pace": 0.005, "agreement": "commit"}, meanwhile)
    assert ranks[0]["weights"] == ranks[1]["weights"]
    for rank in ranks:
        assert {int(s): tuple(pair) for s, pair in rank["used"].items()} == {
            step: (run.value(step), "committed") for step in range(200)
        }
    assert {worker["verified_until"] for worker in run.workers.values()} == {200}
    assert run.unverified == []


def test_after_a_rewind_every_rank_goes_on_from_the_checkpoint_in_the_new_attempt(tmp_path: Path) -> None:
    def meanwhile(service: FakeService) -> None:
        run = service.runs["job"]
        until(lambda: run.horizon > 120)
        run.rewind(90, {"kind": "scale", "factor": 0.5})

    run, ranks = torchrun(tmp_path, 200, {"pace": 0.005, "checkpoint": 80}, meanwhile)
    assert ranks[0]["weights"] == ranks[1]["weights"]
    assert all("rewound to step 90" in rank["error"] for rank in ranks)
    assert {int(step): value for step, (value, _) in ranks[0]["used"].items()} == {
        step: run.value(step) for step in range(200)
    }
    assert run.attempt == 2
    assert run.unverified == []
