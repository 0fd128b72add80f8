"""DeepSpeed's schedulers against the installed library on random draws."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from app.errors import Invalid
from tests.campaigns import amount
from tests.oracles.compare import agree, values

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what DeepSpeed imports
lr_schedules = pytest.importorskip("deepspeed.runtime.lr_schedules", exc_type=ImportError)

Json = dict[str, Any]

DRAWS = amount(60, 600)
LENGTH = 90


def length(chance: random.Random) -> int:
    """A number of steps: small ones often, as the edges are there."""
    return chance.choice([1, 1, 2, 3, chance.randint(1, 20), chance.randint(1, 80)])


def range_test(chance: random.Random) -> Json:
    given = {"lr_range_test_min_lr": chance.uniform(1e-5, 0.1), "lr_range_test_step_size": length(chance)}
    return given | {
        "lr_range_test_step_rate": chance.choice([1.0, 0.5, 5.0]),
        "lr_range_test_staircase": chance.random() < 0.5,
    }


def one_cycle(chance: random.Random) -> Json:
    low = chance.uniform(1e-4, 0.1)
    given = {"cycle_min_lr": low, "cycle_max_lr": low * chance.uniform(1, 50), "cycle_first_step_size": length(chance)}
    maybe = {
        "cycle_second_step_size": chance.choice([0, length(chance)]),
        "cycle_first_stair_count": chance.choice([0, 1, 3, 5]),
        "cycle_second_stair_count": chance.choice([0, 2, 7]),
        "decay_step_size": chance.choice([0, 1, 5]),
        "decay_lr_rate": chance.choice([0.0, 0.5, 0.001]),
        "decay_mom_rate": chance.choice([0.0, 0.5, 0.001]),
        "cycle_min_mom": 0.7,
    }
    return given | {name: value for name, value in maybe.items() if chance.random() < 0.6}


def warmup(chance: random.Random) -> Json:
    given = {
        "warmup_num_steps": chance.choice([0, length(chance)]),
        "warmup_type": chance.choice(["log", "linear", "?"]),
    }
    maybe = {"warmup_min_lr": chance.uniform(0, 0.01), "warmup_max_lr": chance.uniform(0.01, 1)}
    return given | {name: value for name, value in maybe.items() if chance.random() < 0.6}


def warmup_decay(chance: random.Random) -> Json:
    return warmup(chance) | {"total_num_steps": length(chance)}


def warmup_cosine(chance: random.Random) -> Json:
    given = {name: value for name, value in warmup_decay(chance).items() if not name.endswith("_lr")}
    if given["warmup_type"] == "?":
        given["warmup_type"] = "log"
    return given | {"warmup_min_ratio": chance.choice([0.0, 0.1]), "cos_min_ratio": chance.choice([0.0001, 0.0, 0.3])}


SCHEDULERS: dict[str, Callable[[random.Random], Json]] = {
    "LRRangeTest": range_test,
    "OneCycle": one_cycle,
    "WarmupLR": warmup,
    "WarmupDecayLR": warmup_decay,
    "WarmupCosineLR": warmup_cosine,
}


def theirs(name: str, given: Json, rate: float) -> dict[str, list[float]]:
    """Rate and momentum at the first steps."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = getattr(lr_schedules, name)(optimizer, **given)
    found: dict[str, list[float]] = {"lr": [], "momentum": []}
    for _ in range(LENGTH):
        found["lr"].append(float(optimizer.param_groups[0]["lr"]))
        found["momentum"].append(optimizer.param_groups[0]["betas"][0])
        scheduler.step()
    return found


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_has_the_values_of_deepspeed(name: str) -> None:
    chance = random.Random(name)
    for _ in range(DRAWS):
        given, rate = SCHEDULERS[name](chance), chance.uniform(0.001, 1)
        spec = {"kind": f"deepspeed.{name}", "base_lr": rate, **given}
        try:
            expected = theirs(name, given, rate)
        except ValueError:
            with pytest.raises((ValidationError, Invalid)):
                values(spec, 1)
            continue
        agree(spec, expected["lr"])
        if name == "OneCycle":
            agree(spec | {"quantity": "momentum"}, expected["momentum"])
