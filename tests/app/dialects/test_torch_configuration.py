"""States of torch's schedulers: whose they are, what is missing or foreign, and one that keeps its rate elsewhere."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import codes, gives, means, not_read

Json = dict[str, Any]
STATE: Json = {"base_lrs": [0.1], "last_epoch": 3, "_step_count": 4, "_last_lr": [0.1]}
WARMUP = {"warmup_factor": 0.001, "warmup_iters": 500, "warmup_method": "linear"}


@pytest.mark.parametrize(
    ("state", "pointer", "said"),
    [
        ({"max_decay_steps": 100, "end_learning_rate": 1e-4, "power": 2.0}, "/config/total_iters", "missing"),
        ({"T_max": 100}, "/config/eta_min", "missing"),
        ({"milestones": {"30": 1}, "gamma": 0.1, **WARMUP}, "/config/warmup_factor", "no field"),
        ({"gamma": 0.9, "step_in_cycle": 3}, "/config/step_in_cycle", "no field"),
        ({"T_max": 100, "eta_min": 0.0, "eta_minn": 0.0}, "/config/eta_minn", "no field"),
        ({"anneal_epochs": 5, "_anneal_strategy": "cos"}, "/optimizer", "swa_lr"),
    ],
    ids=str,
)
def test_a_state_is_that_of_a_class_as_a_whole_or_refused(state: Json, pointer: str, said: str) -> None:
    not_read({**STATE, **state}, pointer, said)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_a_state_of_swalr_with_its_optimizer(strategy: str) -> None:
    torch = pytest.importorskip("torch")
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in (0.1, 0.3)]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    scheduler = torch.optim.swa_utils.SWALR(optimizer, [0.05, 0.01], anneal_epochs=8, anneal_strategy=strategy)
    state, own = scheduler.state_dict(), optimizer.state_dict()
    rates = []
    for _ in range(12):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    for group, track in enumerate(("lr", "1/lr")):
        expected = {step: values[group] for step, values in enumerate(rates)}
        answer = means(state, expected, track, optimizer=own)
    assert codes(answer) == []


def test_swalr_by_its_formula() -> None:
    spec = {"kind": "torch.SWALR", "base_lr": 0.1, "swa_lr": 0.02, "anneal_epochs": 10}
    expected = {t: 0.02 + 0.08 * (1 + cos(pi * min(t, 10) / 10)) / 2 for t in (0, 3, 9, 10, 500)}
    gives(spec, expected)
    gives({**spec, "anneal_epochs": 0}, {0: 0.02, 1: 0.02})
