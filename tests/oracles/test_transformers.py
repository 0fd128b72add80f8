"""Against transformers and diffusers themselves, on random parameters: every schedule that follows the step alone."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.campaigns import amount
from tests.oracles.compare import agree

torch = pytest.importorskip("torch")

DRAWS = amount(60, 600)
LENGTH = 140
Kwargs = dict[str, Any]
Draw = Callable[[random.Random], Kwargs]

SPECIFIC: dict[str, Draw] = {
    "constant": lambda draw: {},
    "constant_with_warmup": lambda draw: {},
    "linear": lambda draw: {},
    "cosine": lambda draw: {"num_cycles": draw.choice([0.5, 0.5, 1.0, 1.5, 0, draw.uniform(0.1, 3)])},
    "cosine_with_restarts": lambda draw: {"num_cycles": draw.choice([1, 2, 3, 7, draw.randint(1, 20)])},
    "polynomial": lambda draw: {"lr_end": draw.choice([1e-7, 0.0, 1e-5]), "power": draw.choice([1.0, 2.0, 0.5, 0, 3])},
    "inverse_sqrt": lambda draw: draw.choice([{}, {"timescale": draw.randint(1, 50)}]),
    "cosine_with_min_lr": lambda draw: lowest(draw) | {"num_cycles": draw.choice([0.5, 1.5])},
    "cosine_warmup_with_min_lr": lambda draw: (
        lowest(draw) | draw.choice([{}, {"warmup_lr_rate": draw.choice([0.0, 0.3])}])
    ),
    "warmup_stable_decay": lambda draw: wsd(draw),
}


def lowest(draw: random.Random) -> Kwargs:
    return draw.choice([{"min_lr": draw.choice([1e-5, 0.0])}, {"min_lr_rate": draw.choice([0.0, 0.1, draw.random()])}])


def wsd(draw: random.Random) -> Kwargs:
    shapes = ["linear", "cosine", "1-sqrt"]
    given: Kwargs = {"num_decay_steps": draw.choice([0, 1, draw.randint(0, 90)]), "min_lr_ratio": draw.choice([0, 0.1])}
    given |= {"warmup_type": draw.choice(shapes), "decay_type": draw.choice(shapes)}
    if draw.random() < 0.3:
        given["num_stable_steps"] = draw.choice([0, 1, draw.randint(0, 40)])
    return given | ({"num_cycles": 1.5} if draw.random() < 0.2 else {})


def lengths(draw: random.Random) -> Kwargs:
    """Warm-ups of 0 and 1, as long as the run, and longer."""
    total = draw.choice([1, 2, draw.randint(0, 120), 100])
    warmup = draw.choice([0, 0, 1, max(total - 1, 0), total, total + 1, draw.randint(0, 60)])
    return {"num_warmup_steps": warmup, "num_training_steps": total}


def rates(scheduler: Any, base_lr: float) -> list[float]:
    """The rates until the library raises; the factor is a pure function of the step."""
    factor, found = scheduler.lr_lambdas[0], []
    for step in range(LENGTH):
        try:
            found.append(base_lr * factor(step))
        except ZeroDivisionError:
            break
    return found


def optimizer(base_lr: float) -> Any:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base_lr)


@pytest.mark.parametrize("name", list(SPECIFIC))
@pytest.mark.filterwarnings("ignore:Both num_training_steps and num_stable_steps")
def test_transformers(name: str) -> None:
    optimization = pytest.importorskip("transformers.optimization")
    for index in range(DRAWS):
        draw = random.Random(f"{name} {index}")
        base_lr, kwargs, counts = draw.choice([1.0, 5e-5, 0.1]), SPECIFIC[name](draw), lengths(draw)
        scheduler = optimization.get_scheduler(
            name, optimizer(base_lr), **counts, scheduler_specific_kwargs=kwargs or None
        )
        spec = {"kind": f"transformers.{name}", "base_lr": base_lr, **counts}
        agree(spec | ({"scheduler_specific_kwargs": kwargs} if kwargs else {}), rates(scheduler, base_lr))


@pytest.mark.parametrize("warmup_init", [False, True])
def test_adafactor(warmup_init: bool) -> None:
    optimization = pytest.importorskip("transformers.optimization")
    group = {"lr": None, "relative_step": True, "warmup_init": warmup_init, "scale_parameter": False}
    steps = range(1, 12_000)
    theirs = [optimization.Adafactor._get_lr(group, {"step": step, "RMS": 1.0}) for step in steps]
    spec = {"kind": "transformers.Adafactor.relative_step", "warmup_init": warmup_init, "scale_parameter": False}
    agree(spec, theirs)


DIFFUSERS: dict[str, tuple[str, Draw]] = {
    "constant_with_warmup": ("get_constant_schedule_with_warmup", lambda draw: {}),
    "linear": (
        "get_linear_schedule_with_warmup",
        lambda draw: {"f_min": draw.choice([0.0, 0.2]), "f_max": draw.choice([1.0, 2.0])},
    ),
    "cosine": ("get_cosine_schedule_with_warmup", SPECIFIC["cosine"]),
    "cosine_with_restarts": ("get_cosine_with_hard_restarts_schedule_with_warmup", SPECIFIC["cosine_with_restarts"]),
    "polynomial": ("get_polynomial_decay_schedule_with_warmup", SPECIFIC["polynomial"]),
    "piecewise_constant": ("get_piecewise_constant_schedule", lambda draw: {"step_rules": rules(draw)}),
}


def rules(draw: random.Random) -> str:
    steps = [draw.randint(-5, 120) for _ in range(draw.randint(0, 5))]
    return ",".join([*(f"{draw.choice([1, 0.5, 0.1])}:{step}" for step in steps), "0.005"])


@pytest.mark.parametrize("name", list(DIFFUSERS))
def test_diffusers(name: str) -> None:
    optimization = pytest.importorskip("diffusers.optimization")
    function, specific = DIFFUSERS[name]
    for index in range(DRAWS):
        draw = random.Random(f"{name} {index}")
        base_lr, kwargs = draw.choice([1.0, 5e-5, 0.1]), specific(draw)
        if name != "piecewise_constant":
            counts = lengths(draw)
            kwargs |= {"num_warmup_steps": counts["num_warmup_steps"]} if name.startswith("constant") else counts
        scheduler = getattr(optimization, function)(optimizer(base_lr), **kwargs)
        agree({"kind": f"diffusers.{name}", "base_lr": base_lr, **kwargs}, rates(scheduler, base_lr))
