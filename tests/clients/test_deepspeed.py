"""DeepSpeed's adapter: the engine's scheduler, with ZeRO, accumulation and its checkpoints, on two ranks."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lockstep.testing import FakeService
from tests.clients.revised import LEAD, Revised, torchrun

pytestmark = pytest.mark.skipif(find_spec("deepspeed") is None, reason="deepspeed is not installed")

HALF = 25
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "zero-1": {"zero_optimization": {"stage": 1}},
    "zero-2": {"zero_optimization": {"stage": 2}},
    "zero-3": {"zero_optimization": {"stage": 3}, "bf16": {"enabled": True}},
}


@pytest.mark.distributed
@pytest.mark.timeout(300)
def test_two_ranks_use_the_committed_rates_and_resume(tmp_path: Path) -> None:
    """Importing DeepSpeed makes a process its own, and takes seconds: all configurations run in one job."""
    service = FakeService({"lr": lambda step: 0.1 * 0.97**step, "head/lr": lambda step: 0.01 / (step + 1)}, lead=LEAD)
    with service.serve() as url:
        ranks = torchrun("engine.py", tmp_path, url, json.dumps(CONFIGURATIONS))
    assert ranks[0] == ranks[1]
    for name, result in ranks[0].items():
        job = Revised(name, service)
        rates, head = zip(*result["applied"], strict=True)
        job.check(rates, workers=2)
        assert list(head) == [job.run.value(step, "head/lr") for step in range(len(head))], name
        assert result["again"] == result["applied"][HALF:], name
        assert result["weights_again"] == result["weights"], name


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")  # its import
def test_a_run_joined_late_sees_every_group_while_zero_shows_one() -> None:
    """ZeRO steps the optimizer group by group; where the service was away before, the first of them joins the run."""
    import torch

    from lockstep.deepspeed import scheduler

    service = FakeService({"lr": 0.1, "head/lr": 0.2})
    body, head = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    groups: list[dict[str, Any]] = [{"params": [body]}, {"params": [head], "name": "head"}]
    optimizer = torch.optim.SGD(groups, lr=0.5)
    service.down = True
    build = scheduler("job", {"tracks": {}}, transport=service.transport)
    made = build(optimizer)
    service.down = False
    groups = optimizer.param_groups
    applied = []
    for group in groups:
        optimizer.param_groups = [group]
        optimizer.step()
        applied.append(group["lr"])
    optimizer.param_groups = groups
    made.close()
    assert applied == [0.1, 0.2]
