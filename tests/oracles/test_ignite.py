"""ignite's schedulers against the installed library on random draws."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from app.errors import Invalid
from tests.campaigns import amount
from tests.oracles.compare import agree, values

handlers = pytest.importorskip("ignite.handlers.param_scheduler")
states = pytest.importorskip("ignite.handlers.state_param_scheduler")

Json = dict[str, Any]
Draw = Callable[[random.Random], Json]

DRAWS = amount(60, 600)
LENGTH = 90


def cycle(chance: random.Random) -> Json:
    given = {
        "start_value": chance.random(),
        "end_value": chance.random(),
        "cycle_size": chance.choice([1, 2, 3, 10, 21]),
    }
    maybe = {
        "cycle_mult": chance.choice([2.0, 1.5, 0.8]),
        "start_value_mult": chance.choice([0.5, 1.2]),
        "end_value_mult": chance.choice([0.9, 2.0]),
        "warmup_duration": chance.choice([1, 5]),
    }
    return given | {name: value for name, value in maybe.items() if chance.random() < 0.4}


def linear_cycle(chance: random.Random) -> Json:
    return cycle(chance) | {"monotonic": chance.random() < 0.6}


def through(chance: random.Random) -> Json:
    steps = [chance.randint(0, 60) for _ in range(chance.randint(1, 5))]
    if chance.random() < 0.9:
        steps.sort()
    return {"milestones_values": [(step, chance.random()) for step in steps]}


MEMBERS: dict[str, Draw] = {
    "LinearCyclicalScheduler": linear_cycle,
    "CosineAnnealingScheduler": cycle,
    "PiecewiseLinear": through,
}


def torch_member(chance: random.Random) -> Json:
    """A scheduler of torch by its own parameters."""
    draws: dict[str, Json] = {
        "ExponentialLR": {"gamma": chance.choice([0.9, 0.5])},
        "StepLR": {"step_size": chance.choice([1, 7]), "gamma": 0.5},
        "MultiStepLR": {"milestones": [chance.choice([0, 3]), 9, 20], "gamma": 0.5},
        "LinearLR": {"start_factor": chance.choice([0.1, 1.0]), "total_iters": chance.choice([1, 10])},
        "ConstantLR": {"factor": 0.5, "total_iters": chance.choice([1, 10])},
        "PolynomialLR": {"total_iters": chance.choice([1, 40, 100]), "power": chance.choice([1.0, 2.0])},
        "CosineAnnealingLR": {"T_max": chance.choice([1, 2, 50]), "eta_min": chance.choice([0.0, 0.01])},
        "CosineAnnealingWarmRestarts": {"T_0": chance.choice([1, 10]), "T_mult": chance.choice([1, 2])},
        "CyclicLR": {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": chance.choice([1, 10])},
        "OneCycleLR": {"max_lr": 0.2, "total_steps": LENGTH + 20},
    }
    name = chance.choice(sorted(draws))
    return {"kind": f"torch.{name}"} | draws[name]


def sgd(rate: float) -> torch.optim.Optimizer:
    """An optimizer of one parameter."""
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate, momentum=0.9)


def made(spec: Json, optimizer: torch.optim.Optimizer) -> Any:
    """A scheduler of ignite or torch."""
    library, name = spec["kind"].split(".")
    given = {key: value for key, value in spec.items() if key != "kind"}
    if library == "torch":
        return getattr(torch.optim.lr_scheduler, name)(optimizer, **given)
    return getattr(handlers, name)(optimizer, "lr", **given)


def called(scheduler: Any, optimizer: torch.optim.Optimizer) -> list[float]:
    """What the optimizer has after each call; up to the first that fails."""
    found: list[float] = []
    for _ in range(LENGTH):
        try:
            scheduler(None)
        except (ValueError, ZeroDivisionError):
            break
        found.append(float(optimizer.param_groups[0]["lr"]))
    return found


def check(spec: Json, scheduler: Callable[[torch.optim.Optimizer], Any], rate: float = 0.1) -> None:
    """Our values are ignite's, and where it refuses so do we."""
    optimizer = sgd(rate)
    try:
        expected = called(scheduler(optimizer), optimizer)
    except (TypeError, ValueError):
        with pytest.raises((ValidationError, Invalid)):
            values(spec, 1)
        return
    agree(spec, expected)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_scheduler_has_the_values_of_ignite(name: str) -> None:
    chance = random.Random(name)
    for _ in range(DRAWS):
        spec = {"kind": f"ignite.{name}", **MEMBERS[name](chance)}
        check(spec, partial(made, spec))


def test_concatenated_schedulers_have_the_values_of_ignite() -> None:
    chance = random.Random(1)
    for _ in range(DRAWS):
        names = chance.choices(sorted(MEMBERS), k=chance.randint(1, 4))
        members = [{"kind": f"ignite.{name}", **MEMBERS[name](chance)} for name in names]
        durations = [chance.choice([0, 1, 5, 30]) for _ in members[1:]]
        spec = {"kind": "ignite.ConcatScheduler", "schedulers": members, "durations": durations}

        def concatenated(optimizer: torch.optim.Optimizer, spec: Json = spec) -> Any:
            return handlers.ConcatScheduler([made(one, optimizer) for one in spec["schedulers"]], spec["durations"])

        check(spec, concatenated)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.filterwarnings("ignore:Please make sure to attach:UserWarning")
def test_a_scheduler_of_torch_is_wrapped_as_by_ignite(legacy: bool) -> None:
    chance = random.Random(2)
    for _ in range(DRAWS):
        rate, member = chance.uniform(0.01, 1), torch_member(chance)
        spec = {"kind": "ignite.LRScheduler", "lr_scheduler": member, "use_legacy": legacy, "base_lr": rate}

        def wrapped(optimizer: torch.optim.Optimizer, member: Json = member) -> Any:
            return handlers.LRScheduler(made(member, optimizer), use_legacy=legacy)

        check(spec, wrapped, rate)


def test_a_warmup_goes_over_into_a_scheduler_as_in_ignite() -> None:
    chance = random.Random(3)
    for _ in range(DRAWS):
        rate = chance.choice([0.1, chance.random()])
        name = chance.choice(sorted(MEMBERS))
        member = chance.choice([torch_member(chance), {"kind": f"ignite.{name}", **MEMBERS[name](chance)}])
        start = member.get("start_value", rate)
        more = {"warmup_start_value": chance.choice([0.0, 0.05]), "warmup_duration": chance.choice([1, 2, 3, 10])}
        if chance.random() < 0.7:
            more["warmup_end_value"] = chance.choice([start, rate, 0.3])
        spec = {"kind": "ignite.create_lr_scheduler_with_warmup", "lr_scheduler": member, "base_lr": rate, **more}

        def warmed(optimizer: torch.optim.Optimizer, member: Json = member, more: Json = more) -> Any:
            return handlers.create_lr_scheduler_with_warmup(made(member, optimizer), **more)

        check(spec, warmed, rate)


def test_a_value_of_the_engine_is_that_of_ignite() -> None:
    chance = random.Random(4)
    for _ in range(DRAWS):
        given = {"initial_value": chance.uniform(0.1, 10), "gamma": chance.choice([0.9, 0.5, 0.0, 1.1])}
        kinds: dict[str, Json] = {
            "ExpStateScheduler": given,
            "StepStateScheduler": given | {"step_size": chance.choice([1, 3, 10])},
            "MultiStepStateScheduler": given | {"milestones": sorted(chance.randint(0, 50) for _ in range(3))},
            "PiecewiseLinearStateScheduler": {"milestones_values": sorted(through(chance)["milestones_values"])},
        }
        for name, parameters in kinds.items():
            scheduler = getattr(states, name)(param_name="x", **parameters)
            expected = []
            for index in range(1, 40):
                scheduler.event_index = index
                expected.append(scheduler.get_param())
            ours = values({"kind": f"ignite.{name}", **parameters}, range(1, 40))
            assert ours == pytest.approx(expected, rel=1e-12)
