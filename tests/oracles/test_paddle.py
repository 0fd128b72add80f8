"""Against paddle.optimizer.lr itself, on random parameters, schedulers inside LinearWarmup included."""

import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from tests.campaigns import amount
from tests.oracles.compare import agree, ends

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    library = pytest.importorskip("paddle").optimizer.lr

DRAWS = amount(60, 600)
LENGTH = 150
Spec = dict[str, Any]
Draw = Callable[[random.Random], Spec]


def length(draw: random.Random) -> int:
    return draw.choice([1, 2, 3, draw.randint(1, 20), draw.randint(1, 100)])


def rate(draw: random.Random) -> float:
    return draw.choice([0.5, 0.1, 1.0, draw.uniform(0.01, 2)])


def polynomial(draw: random.Random) -> Spec:
    powers = [1.0, 2.0, 0.5, 0.9]
    given = {"learning_rate": rate(draw), "decay_steps": length(draw), "end_lr": draw.choice([0.0001, 0.0, 0.01])}
    return given | {"power": draw.choice(powers), "cycle": draw.random() < 0.5}


def piecewise(draw: random.Random) -> Spec:
    boundaries = [draw.randint(0, 100) for _ in range(draw.randint(1, 5))]
    return {"boundaries": boundaries, "values": [draw.random() for _ in range(len(boundaries) + draw.randint(1, 2))]}


def one_cycle(draw: random.Random) -> Spec:
    three = draw.random() < 0.4
    share = draw.choice([0.3, 0.0, draw.uniform(0, 0.49)] + ([] if three else [1.0, draw.random()]))
    steps = next(steps for steps in iter(lambda: length(draw), 0) if share * steps != 1)
    given = {"max_learning_rate": rate(draw), "total_steps": steps, "phase_pct": share, "three_phase": three}
    given |= {"divide_factor": draw.choice([25.0, 4]), "end_learning_rate": draw.choice([0.0001, 0.0, 0.2])}
    return given | {"anneal_strategy": draw.choice(["cos", "linear"])}


def cyclic(draw: random.Random) -> Spec:
    given: Spec = {"base_learning_rate": draw.choice([0.0, 0.1]), "max_learning_rate": rate(draw)}
    given |= {"step_size_up": draw.randint(1, 40), "mode": draw.choice(["triangular", "triangular2", "exp_range"])}
    if draw.random() < 0.5:
        given["step_size_down"] = draw.randint(1, 40)
    if draw.random() < 0.3:
        given |= {"scale_fn": draw.choice(["1 / x", "0.9 ** x"]), "scale_mode": "cycle"}
    return given | {"exp_gamma": draw.choice([1.0, 0.99])}


def restarts(draw: random.Random) -> Spec:
    return {
        "learning_rate": rate(draw),
        "T_0": draw.choice([1, 2, 3, 10, length(draw)]),
        "T_mult": draw.choice([1, 2, 3]),
        "eta_min": draw.choice([0.0, 0.01]),
    }


FUNCTIONS = ["0.95 ** x", "1 / (1 + x)", "1 + x % 5"]

KINDS: dict[str, Draw] = {
    "NoamDecay": lambda draw: {"d_model": draw.choice([512, 64]), "warmup_steps": length(draw)},
    "PiecewiseDecay": piecewise,
    "NaturalExpDecay": lambda draw: {"learning_rate": rate(draw), "gamma": draw.choice([0.1, 1e-3, 2.0])},
    "InverseTimeDecay": lambda draw: {"learning_rate": rate(draw), "gamma": draw.choice([0.1, 0.0, 2.0])},
    "PolynomialDecay": polynomial,
    "ExponentialDecay": lambda draw: {"learning_rate": rate(draw), "gamma": draw.uniform(0.5, 0.999)},
    "MultiStepDecay": lambda draw: {
        "learning_rate": rate(draw),
        "milestones": sorted(draw.sample(range(100), draw.randint(0, 4))),
        "gamma": draw.choice([0.1, 0.5, 0.0]),
    },
    "StepDecay": lambda draw: {
        "learning_rate": rate(draw),
        "step_size": length(draw),
        "gamma": draw.choice([0.1, 0.8, 0.0]),
    },
    "LambdaDecay": lambda draw: {"learning_rate": rate(draw), "lr_lambda": draw.choice(FUNCTIONS)},
    "MultiplicativeDecay": lambda draw: {"learning_rate": rate(draw), "lr_lambda": draw.choice(FUNCTIONS[:2])},
    "CosineAnnealingDecay": lambda draw: {
        "learning_rate": rate(draw),
        "T_max": length(draw),
        "eta_min": draw.choice([0.0, 1e-3]),
    },
    "CosineAnnealingWarmRestarts": restarts,
    "OneCycleLR": one_cycle,
    "CyclicLR": cyclic,
    "LinearLR": lambda draw: {
        "learning_rate": rate(draw),
        "total_steps": length(draw),
        "start_factor": draw.choice([1.0 / 3, 1.0, 1e-3]),
        "end_factor": draw.choice([1.0, 0.0, 0.3]),
    },
}
RECURSIVE = ("CosineAnnealingDecay", "LinearLR")


def build(spec: Spec) -> Any:
    """paddle's own scheduler."""
    given = {name: value for name, value in spec.items() if name not in ("kind", "form")}
    for name in ("lr_lambda", "scale_fn"):
        if name in given:
            given[name] = eval(f"lambda x: {given[name]}")
    if isinstance(given.get("learning_rate"), dict):
        given["learning_rate"] = build(given["learning_rate"])
    return getattr(library, spec["kind"].removeprefix("paddle."))(**given)


def compare(spec: Spec) -> tuple[list[float], bool]:
    """Our values against those that paddle gives until it raises; these, and whether it raised."""
    scheduler, rates = build(spec), []
    for _ in range(LENGTH):
        rates.append(scheduler())
        try:
            scheduler.step()
        except (ValueError, ZeroDivisionError):
            break
    agree(spec, rates)
    return rates, len(rates) < LENGTH


@pytest.mark.parametrize("name", list(KINDS))
def test_every_scheduler(name: str) -> None:
    for index in range(DRAWS):
        spec = {"kind": f"paddle.{name}"} | KINDS[name](random.Random(f"{name} {index}"))
        rates, raised = compare(spec | ({"form": "recursive"} if name in RECURSIVE else {}))
        ends(spec, rates, raised=raised)


@pytest.mark.parametrize("name", ["number", *KINDS])
def test_inside_a_warm_up(name: str) -> None:
    for index in range(DRAWS // 4):
        draw = random.Random(f"warmup {name} {index}")
        after: Any = rate(draw) if name == "number" else {"kind": f"paddle.{name}"} | KINDS[name](draw)
        if name == "LinearLR":
            after["form"] = "recursive"
        start = draw.choice([0.0, 0.01])
        lengths = {"warmup_steps": length(draw), "start_lr": start, "end_lr": start + rate(draw)}
        compare({"kind": "paddle.LinearWarmup", "learning_rate": after, **lengths})
