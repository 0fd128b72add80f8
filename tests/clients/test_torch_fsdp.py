"""FSDP2 (`fully_shard`) on two ranks: parameters are DTensors, checkpoints those of torch.distributed.checkpoint."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

from lockstep.testing import FakeService
from lockstep.torch import LockstepLR
from lockstep.updates import UpdateLR
from tests.clients.jobs import fsdp
from tests.clients.revised import LEAD, Revised, torchrun


def unsharded(name: str, rates: list[float]) -> list[float]:
    """The weights after the same updates in one process, which averages the gradients of both ranks' batches."""
    net = fsdp.network()
    parameters = list(net.parameters())
    optimizer = fsdp.OPTIMIZERS[name](parameters)
    for step, rate in enumerate(rates):
        optimizer.zero_grad()
        for rank in range(fsdp.RANKS):
            fsdp.loss(net, step, rank).backward()  # type: ignore[no-untyped-call]
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.grad /= fsdp.RANKS
        held = optimizer.param_groups[0]["lr"]
        optimizer.param_groups[0]["lr"] = torch.tensor(rate) if isinstance(held, torch.Tensor) else rate
        optimizer.step()
    numbers: list[float] = torch.cat([p.detach().flatten() for p in parameters]).tolist()
    return numbers


@pytest.mark.distributed
@pytest.mark.timeout(300)
def test_sharded_training_uses_the_committed_rates_and_resumes(tmp_path: Path) -> None:
    """One job for all optimizers: starting the ranks takes most of the time."""
    service = FakeService(lambda step: 0.1 * 0.97**step, lead=LEAD)
    with service.serve() as url:
        ranks = torchrun("fsdp.py", tmp_path, url)
    assert ranks[0] == ranks[1]
    for name, result in ranks[0].items():
        job = Revised(name, service)
        rates = job.committed()
        job.check(rates, workers=2)
        stored = torch.tensor(rates).tolist() if name == "adamw" else rates  # its rate is a float32 tensor
        assert result["applied"] == stored, name
        assert result["weights"] == unsharded(name, rates), name
        assert result["again"] == result["applied"][fsdp.HALF :], name
        assert result["weights_again"] == result["weights"], name


@pytest.mark.parametrize("kind", [LockstepLR, UpdateLR])
def test_a_step_that_only_makes_the_optimizer_s_state_is_no_update(kind: type[LockstepLR]) -> None:
    """torch.distributed.checkpoint calls `step()` for it, with zero rates and gradients: a rate decays the weights."""
    job = Revised()
    net = fsdp.network()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.5, weight_decay=0.5)
    scheduler = kind(optimizer, **job.options)
    before = [parameter.tolist() for parameter in net.parameters()]
    assert get_optimizer_state_dict(net, optimizer)["state"]
    assert [parameter.tolist() for parameter in net.parameters()] == before
    assert (scheduler.last_epoch, job.run.workers) == (0, {})
    applied = []
    for _ in range(3):
        optimizer.step(closure=None)
        applied.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    scheduler.close()
    assert applied == job.committed(0, 3)
