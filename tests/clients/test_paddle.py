"""Paddle's adapter: what its optimizers hold in float32, and what their own state keeps."""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # importing Paddle looks for a compiler's cache, and complains
    paddle: Any = pytest.importorskip("paddle", reason="paddlepaddle is not installed")

from lockstep.errors import Misused
from lockstep.paddle import LockstepLR
from tests.clients.revised import STEPS, Revised
from tests.processes import completed_together, environment
from tests.service import ROOT, free_port


class Loop:
    """A training loop that reads the rate which Paddle's optimizer holds in float32."""

    def __init__(self, job: Revised, **options: Any) -> None:
        self.job = job
        paddle.seed(1)
        self.net = paddle.nn.Linear(2, 1)
        self.scheduler = LockstepLR(**job.options | options)
        self.optimizer = paddle.optimizer.Momentum(self.scheduler, parameters=self.net.parameters())
        self.applied: list[float] = []

    def train(self, start: int, stop: int) -> "Loop":
        for step in range(start, stop):
            self.net(paddle.to_tensor([[1.0, 2.0]])).square().mean().backward()
            self.optimizer.step()
            self.applied.append(float(self.optimizer._global_learning_rate()))
            self.optimizer.clear_grad()
            self.job.passed(step)
            self.scheduler.step()
        return self

    def weights(self) -> Any:
        return np.concatenate([p.numpy().ravel() for p in self.net.parameters()])


def rounded(rates: list[float]) -> list[float]:
    return [float(np.float32(rate)) for rate in rates]


def test_applied_rates_are_the_committed_ones() -> None:
    job = Revised()
    loop = Loop(job).train(0, STEPS)
    loop.scheduler.close()
    assert loop.applied == rounded(job.committed())
    job.check(job.committed())
    assert loop.scheduler.reading() == (job.run.value(STEPS), "committed", 4)


@pytest.mark.distributed
def test_two_ranks_use_the_same_rates(tmp_path: Path) -> None:
    job, ports = Revised(), [free_port(), free_port()]
    ends = [f"127.0.0.1:{port}" for port in ports]
    about = {"PADDLE_TRAINERS_NUM": "2", "PADDLE_TRAINER_ENDPOINTS": ",".join(ends), "PADDLE_DISTRI_BACKEND": "gloo"}
    with job.service.serve() as url:
        command = [sys.executable, str(ROOT / "tests/clients/jobs/paddled.py"), str(tmp_path), url]
        commands = [
            (command, environment(PADDLE_TRAINER_ID=str(rank), PADDLE_CURRENT_ENDPOINT=end, **about))
            for rank, end in enumerate(ends)
        ]
        completed_together(commands, 200, tmp_path / "log")
    ranks = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2)]
    assert ranks[0] == ranks[1]
    assert ranks[0]["applied"] == rounded(job.committed())
    job.check(job.committed(), workers=2)


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    job = Revised()
    with paddle.utils.unique_name.guard():  # names as in a process of its own
        whole = Loop(job).train(0, 25)
        paddle.save({"net": whole.net.state_dict(), "optimizer": whole.optimizer.state_dict()}, str(tmp_path / "half"))
        whole.train(25, STEPS)
    whole.scheduler.close()  # what it has not reported when another process takes its name is unverified
    saved = paddle.load(str(tmp_path / "half"))
    with paddle.utils.unique_name.guard():
        resumed = Loop(job)
        resumed.net.set_state_dict(saved["net"])
        resumed.optimizer.set_state_dict(saved["optimizer"])
        resumed.train(25, STEPS)
    resumed.scheduler.close()
    assert resumed.applied == whole.applied[25:] == rounded(job.committed(25))
    assert np.array_equal(resumed.weights(), whole.weights())
    assert job.run.unverified == []


def test_a_checkpoint_goes_on_while_the_service_is_away() -> None:
    job = Revised()
    loop = Loop(job).train(0, 5)
    state = loop.scheduler.state_dict()
    loop.scheduler.close()
    job.service.down = True
    scheduler = LockstepLR(**job.options)
    scheduler.set_state_dict(state)
    assert (scheduler(), scheduler.last_epoch) == (job.run.value(5), 5)
    scheduler.close()


def test_a_run_may_start_in_the_middle_of_a_job() -> None:
    job = Revised()
    loop = Loop(job, start_step=7).train(7, 10)
    loop.scheduler.close()  # Paddle's main program holds the newest scheduler for ever
    assert loop.applied == rounded(job.committed(7, 10))


def test_an_epoch_is_refused() -> None:
    with pytest.raises(Misused, match="without an epoch"):
        LockstepLR("job").step(3)
