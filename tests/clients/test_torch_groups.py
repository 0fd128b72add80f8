"""A layer-wise plan: two hundred parameter groups, each with a rate of its own, and some with more than that."""

from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

import torch

from lockstep.errors import Misused
from lockstep.testing import FakeService
from lockstep.torch import LockstepLR
from tests.clients.revised import LEAD, PLAN, REVISIONS, STEPS, Revised

GROUPS = 200
FACTORS = [0.9**index for index in range(GROUPS)]
NAMED = 120  # the groups below have names, the others only their index
CURVES: dict[str, Any] = {
    "lr": lambda step: 0.1 * 0.97**step,
    "weight_decay": lambda step: 0.01 * 0.99**step,
    "layer-7/weight_decay": 0.0,
    "150/weight_decay": lambda step: 0.3 / (step + 1),
    "layer-3/momentum": lambda step: 0.5 + step / 997,
    "199/momentum": 0.25,
}


def name(index: int) -> str:
    return f"layer-{index}" if index < NAMED else str(index)


def held(group: dict[str, Any]) -> tuple[float, float, float]:
    momentum = group["momentum"] if "momentum" in group else group["betas"][0]
    return float(group["lr"]), float(group["weight_decay"]), float(momentum)


def expected(job: Revised, index: int, step: int, momentum: float) -> tuple[float, float, float]:
    """The committed values of one group: its own track where there is one, else the common one."""
    own = {key: f"{name(index)}/{key}" for key in ("weight_decay", "momentum")}
    decay = own["weight_decay"] if own["weight_decay"] in CURVES else "weight_decay"
    if own["momentum"] in CURVES:
        momentum = job.run.value(step, own["momentum"])
    return job.run.value(step) * FACTORS[index], job.run.value(step, decay), momentum


def sgd(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=0.5, momentum=0.75)


def adamw(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=0.5, betas=(0.75, 0.99))


@pytest.mark.parametrize("make", [sgd, adamw])
def test_every_group_uses_the_committed_values_through_three_revisions(make: Any) -> None:
    derived = {f"{name(index)}/lr": ("lr", factor) for index, factor in enumerate(FACTORS)}
    job = Revised(service=FakeService(CURVES, derived=derived, lead=LEAD))
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(2))]} | ({"name": name(index)} if index < NAMED else {})
        for index in range(GROUPS)
    ]
    optimizer = make(groups)
    tracks = {track: {"kind": "track", "of": of, "factor": factor} for track, (of, factor) in derived.items()}
    scheduler = LockstepLR(optimizer, **job.options | {"plan": {"tracks": PLAN["tracks"] | tracks}})
    assert scheduler.get_last_lr() == [0.1 * factor for factor in FACTORS]
    used: list[list[tuple[float, float, float]]] = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["params"][0].grad = torch.ones(2)
        optimizer.step()
        used.append([held(group) for group in optimizer.param_groups])
        job.passed(step)
        scheduler.step()
    scheduler.close()
    for step, row in enumerate(used):
        assert row == [expected(job, index, step, 0.75) for index in range(GROUPS)], step
    changes = [(revision["number"], revision["from_step"] < STEPS) for revision in job.run.revisions[1:]]
    assert changes == [(number, True) for number in range(2, 2 + len(REVISIONS))]
    job.check([row[0][0] for row in used])


def test_one_tensor_for_groups_with_rates_of_their_own_is_refused() -> None:
    """PyTorch puts the tensor of `lr=` into every group: what one group is given would be the other's as well."""
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "name": name} for name in ("body", "head")]
    service = FakeService({"lr": 0.1, "head/lr": 0.2})
    optimizer = torch.optim.SGD(groups, lr=torch.tensor(0.5))
    with pytest.raises(Misused, match="give each group a tensor of its own"):
        LockstepLR(optimizer, run="job", plan={"tracks": {}}, transport=service.transport)
