"""katsura-jp's scheduler: values from its own rule, step by step, and its state."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import gives, means, not_read, refused

Json = dict[str, Any]
NAME = "cosine_annealing_warmup.CosineAnnealingWarmupRestarts"


def stepped(steps: int, first: int, mult: float, high: float, low: float, warmup: int, gamma: float) -> list[float]:
    """The package's `step()`, called again and again after its construction has set `min_lr`."""
    rates, length, place, cycle = [low], first, 0, 0
    for _ in range(steps - 1):
        place += 1
        if place >= length:
            cycle, place = cycle + 1, place - length
            length = int((length - warmup) * mult) + warmup
        top = high * gamma**cycle
        if place < warmup:
            rates.append((top - low) * place / warmup + low)
        else:
            rates.append(low + (top - low) * (1 + cos(pi * (place - warmup) / (length - warmup))) / 2)
    return rates


@pytest.mark.parametrize(
    ("first", "mult", "warmup", "gamma"),
    [(20, 1.0, 5, 1.0), (20, 1.0, 0, 1.0), (20, 1.0, 5, 0.5), (20, 2.0, 5, 0.5), (7, 1.5, 2, 0.9), (6, 1.1, 1, 0.7)],
)
def test_values(first: int, mult: float, warmup: int, gamma: float) -> None:
    spec = {"kind": NAME, "first_cycle_steps": first, "cycle_mult": mult, "warmup_steps": warmup, "gamma": gamma}
    expected = stepped(150, first, mult, 0.1, 0.001, warmup, gamma)
    gives({**spec, "max_lr": 0.1, "min_lr": 0.001}, dict(enumerate(expected)))


def test_refusals_name_the_parameter() -> None:
    refused({"kind": NAME, "first_cycle_steps": 5, "warmup_steps": 5}, "warmup_steps")
    refused({"kind": NAME, "first_cycle_steps": 5, "cycle_mult": 0.5}, "cycle_mult")


STATE: Json = {
    "first_cycle_steps": 200,
    "cycle_mult": 2.0,
    "base_max_lr": 0.1,
    "max_lr": 0.05,
    "min_lr": 0.001,
    "warmup_steps": 50,
    "gamma": 0.5,
    "cur_cycle_steps": 350,
    "cycle": 1,
    "step_in_cycle": 10,
    "base_lrs": [0.001],
    "last_epoch": 210,
    "_step_count": 2,
}


def test_its_state_is_read_and_not_taken_for_torchs() -> None:
    expected = stepped(600, 200, 2.0, 0.1, 0.001, 50, 0.5)
    answer = means(STATE, dict(enumerate(expected)))
    assert (answer["library"], answer["step"]) == ("cosine_annealing_warmup", 210)
    not_read({**STATE, "eta_min": 0.1}, "/config/eta_min", "no field")
    not_read({**STATE, "base_max_lr": 0}, "/config/base_max_lr", "greater than 0")
