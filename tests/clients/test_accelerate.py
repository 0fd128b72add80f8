"""Accelerate: one made update is one step, prepared or not, accumulated, skipped, on any number of processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate", reason="accelerate is not installed")

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState

from lockstep.accelerate import LockstepLR
from lockstep.errors import Misused
from tests.clients.revised import STEPS, Revised, torchrun


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Accelerate keeps its state for the whole process."""
    yield
    AcceleratorState._reset_state(True)
    GradientState._reset_state()


class Loop:
    """A training loop as in Accelerate's examples, that reads its optimizer at every update."""

    def __init__(self, job: Revised, *, prepared: bool, accumulation: int = 1) -> None:
        self.job = job
        self.accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulation)
        torch.manual_seed(1)
        net = torch.nn.Linear(2, 1)
        bare = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
        self.net, self.optimizer = self.accelerator.prepare(net, bare)
        self.scheduler = LockstepLR(self.optimizer, **job.options)
        if prepared:
            self.stepped: Any = self.accelerator.prepare(self.scheduler)
        else:
            self.stepped = self.scheduler
            self.accelerator.register_for_checkpointing(self.scheduler)
        self.applied: list[float] = []
        bare.register_step_post_hook(lambda *_: self.applied.append(bare.param_groups[0]["lr"]))

    def train(self, updates: int) -> None:
        """Train until that many updates have been made."""
        while len(self.applied) < updates:
            before = len(self.applied)
            with self.accelerator.accumulate(self.net):
                self.accelerator.backward(self.net(torch.tensor([[1.0, 2.0]])).square().mean())
                self.optimizer.step()
                if len(self.applied) > before:
                    self.job.passed(self.scheduler.last_epoch)
                self.stepped.step()
                self.optimizer.zero_grad()

    def weights(self) -> list[float]:
        numbers: list[float] = torch.cat([p.detach().flatten() for p in self.net.parameters()]).tolist()
        return numbers


@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("prepared", [True, False])
def test_applied_rates_are_the_committed_ones(prepared: bool, accumulation: int) -> None:
    job = Revised()
    loop = Loop(job, prepared=prepared, accumulation=accumulation)
    loop.train(STEPS)
    loop.scheduler.close()
    job.check(loop.applied)


@pytest.mark.parametrize("prepared", [True, False])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, prepared: bool) -> None:
    job = Revised()
    whole = Loop(job, prepared=prepared)
    whole.train(25)
    whole.accelerator.save_state(str(tmp_path))
    whole.train(STEPS)
    resumed = Loop(job, prepared=prepared)
    resumed.accelerator.load_state(str(tmp_path))
    resumed.train(STEPS - 25)
    assert resumed.applied == whole.applied[25:] == job.committed(25)
    assert resumed.weights() == whole.weights()


def test_a_skipped_update_uses_its_rate_again() -> None:
    """A gradient scaler that finds an infinity does not call the optimizer's step()."""
    job = Revised()
    loop = Loop(job, prepared=False)
    loop.train(3)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for loss in (float("inf"), 1.0):
        loop.optimizer.zero_grad()
        scaler.scale(loop.net(torch.tensor([[1.0, 2.0]])).sum() * loss).backward()
        scaler.step(loop.optimizer.optimizer)
        scaler.update()
        loop.scheduler.step()
    assert scaler.get_scale() == 2.0
    assert loop.scheduler.last_epoch == 4
    assert loop.applied == job.committed(0, 4)


def test_stepping_once_per_epoch_is_refused() -> None:
    loop = Loop(Revised(), prepared=False)
    loop.optimizer.step()
    loop.optimizer.step()
    with pytest.raises(Misused, match="made 2 updates"):
        loop.scheduler.step()


def test_only_an_optimizer_will_do() -> None:
    with pytest.raises(Misused, match=r"needs a torch\.optim\.Optimizer, not Linear"):
        LockstepLR(torch.nn.Linear(1, 1), run="job")  # type: ignore[arg-type]


@pytest.mark.distributed
@pytest.mark.timeout(300)
def test_two_prepared_ranks_step_once_per_update(tmp_path: Path) -> None:
    job = Revised()
    with job.service.serve() as url:
        ranks = torchrun("accelerated.py", tmp_path, url)
    assert ranks[0] == ranks[1]
    job.check(ranks[0]["applied"], workers=2)
