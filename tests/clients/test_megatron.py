"""Megatron: a scheduler that is stepped by samples, for optimizers that are no optimizers of PyTorch."""

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

from lockstep.errors import Misused
from lockstep.megatron import ParamScheduler, torch_optimizers
from lockstep.testing import FakeService
from tests.clients.revised import PLAN, STEPS, Revised

SAMPLES = 32


def sgd(**own: Any) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.ones(2))], **own}], lr=1.0)


def megatron(*inner: torch.optim.Optimizer) -> Any:
    """As much of Megatron's optimizers as a scheduler sees: one of PyTorch's inside, or a chain of such."""
    wrapped = [SimpleNamespace(optimizer=each, param_groups=each.param_groups) for each in inner]
    groups = [group for each in inner for group in each.param_groups]
    return wrapped[0] if len(inner) == 1 else SimpleNamespace(chained_optimizers=wrapped, param_groups=groups)


def train(job: Revised, optimizer: Any, scheduler: ParamScheduler, start: int, stop: int) -> list[float]:
    used = []
    for step in range(start, stop):
        if step % 7 == 3:
            job.passed(step)  # an update that overflowed: Megatron does not step the scheduler
        for inner in torch_optimizers(optimizer):
            inner.step()
        used.append(optimizer.param_groups[0]["lr"])
        job.passed(step)
        scheduler.step(increment=SAMPLES)
    return used


@pytest.mark.parametrize("count", [1, 3])
def test_applied_rates_are_the_committed_ones(count: int) -> None:
    job, optimizer = Revised(), megatron(*(sgd() for _ in range(count)))
    scheduler = ParamScheduler(optimizer, **job.options)
    scheduler.step(increment=0)  # where Megatron begins
    used = train(job, optimizer, scheduler, 0, STEPS)
    assert scheduler.num_steps == STEPS * SAMPLES
    assert scheduler.get_lr(optimizer.param_groups[-1]) == job.run.value(STEPS)
    scheduler.close()
    job.check(used)
    assert job.run.workers["rank-0"]["verified_until"] == STEPS


def test_the_groups_multipliers_hold() -> None:
    optimizer = megatron(sgd(weight_decay=0.5, lr_mult=2.0, wd_mult=0.0), sgd(weight_decay=0.5, wd_mult=1.0))
    service = FakeService({"lr": 0.25, "weight_decay": 0.1})
    scheduler = ParamScheduler(optimizer, run="r", plan=PLAN, transport=service.transport)
    for _ in range(20):
        for inner in torch_optimizers(optimizer):
            inner.step()
        scheduler.step(SAMPLES)
    groups = optimizer.param_groups
    assert [(group["lr"], scheduler.get_wd(group)) for group in groups] == [(0.5, 0.0), (0.25, 0.1)]
    scheduler.close()
    assert service.runs["r"].unverified == []


def test_a_resumed_run_is_the_uninterrupted_one() -> None:
    job, optimizer = Revised(), megatron(sgd())
    first = ParamScheduler(optimizer, **job.options)
    train(job, optimizer, first, 0, 25)
    state = first.state_dict()
    first.close()
    optimizer = megatron(sgd())
    again = ParamScheduler(optimizer, **job.options)
    again.load_state_dict(state)
    assert again.num_steps == 25 * SAMPLES
    rest = train(job, optimizer, again, 25, STEPS)
    assert again.reading().value == job.run.value(STEPS)
    again.close()
    assert rest == job.committed(25)
    assert job.run.unverified == []


def test_what_cannot_be_followed_is_refused() -> None:
    with pytest.raises(Misused, match="no optimizer of PyTorch in SimpleNamespace"):
        torch_optimizers(SimpleNamespace(chained_optimizers=[]))
    job = Revised()
    scheduler = ParamScheduler(megatron(sgd()), **job.options)
    with pytest.raises(Misused, match="start_step=<updates made so far>"):
        scheduler.load_state_dict({"num_steps": 640, "max_lr": 0.1})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_has_what_megatron_s_own_has() -> None:
    core = pytest.importorskip("megatron.core.optimizer_param_scheduler", reason="megatron-core is not installed")
    own = core.OptimizerParamScheduler(megatron(sgd()), 0.0, 1.0, 0.1, 2, 10, "linear", 0.1, 0.1, 10, "constant")
    ours = ParamScheduler(megatron(sgd()), **Revised().options)
    for name in ("step", "state_dict", "load_state_dict", "get_lr", "get_wd", "num_steps", "optimizer"):
        assert hasattr(own, name)
        assert hasattr(ours, name)
    own.step(increment=4)
    assert own.num_steps == 4
    assert "num_steps" in own.state_dict().keys() & ours.state_dict().keys()
