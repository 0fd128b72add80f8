"""Against timm itself, on random parameters; timm is loaded without its `__init__`, which wants torchvision."""

import importlib
import importlib.util
import random
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.campaigns import amount
from tests.oracles.compare import agree, ends

torch = pytest.importorskip("torch")

DRAWS = amount(60, 600)
LENGTH = 220
Kwargs = dict[str, Any]

MODULES = {
    "CosineLRScheduler": "cosine_lr",
    "TanhLRScheduler": "tanh_lr",
    "PolyLRScheduler": "poly_lr",
    "StepLRScheduler": "step_lr",
    "MultiStepLRScheduler": "multistep_lr",
    "WSDLRScheduler": "wsd_lr",
}


@pytest.fixture(scope="module")
def load() -> Iterator[Callable[[str], Any]]:
    """A scheduler class of timm by its name."""
    found = importlib.util.find_spec("timm")
    if found is None:
        pytest.skip("timm is not installed")
    with pytest.MonkeyPatch.context() as patch:
        for name, folder in (("timm", ""), ("timm.scheduler", "/scheduler")):
            package = types.ModuleType(name)
            package.__path__ = [f"{next(iter(found.submodule_search_locations or ()))}{folder}"]
            patch.setitem(sys.modules, name, package)
        yield lambda name: getattr(importlib.import_module(f"timm.scheduler.{MODULES[name]}"), name)


def warmup(draw: random.Random) -> Kwargs:
    steps = draw.choice([0, 0, 1, draw.randint(1, 40)])
    return {"warmup_t": steps, "warmup_lr_init": draw.choice([0.0, 1e-4, 0.5])}


def prefix(draw: random.Random) -> Kwargs:
    return {"warmup_prefix": draw.random() < 0.5}


def cycles(draw: random.Random) -> Kwargs:
    given = {
        "t_initial": draw.choice([1, 2, 3, 7, 10, draw.randint(1, 100)]),
        "lr_min": draw.choice([0.0, 1e-5, 0.01]),
        "cycle_mul": draw.choice([1.0, 1.0, 2.0, 3.0, 1.5, 1.2, 0.5, 0.9]),
        "cycle_decay": draw.choice([1.0, 0.5, 0.7]),
        "cycle_limit": draw.choice([1, 1, 2, 3, 6, 30, 0]),
    }
    return given | warmup(draw) | prefix(draw)


def power_of_time(draw: random.Random) -> Kwargs:
    return {"k_decay": draw.choice([1.0, 1.0, 0.5, 2.0])}


def tanh(draw: random.Random) -> Kwargs:
    return cycles(draw) | {"lb": draw.choice([-7.0, -1.0]), "ub": draw.choice([3.0, 1.0])}


def step(draw: random.Random) -> Kwargs:
    interval = draw.choice([1, 30, draw.randint(1, 60), 2.4, 0.1, 0.3])
    return {"decay_t": interval, "decay_rate": draw.choice([0.1, 0.97, 1.0])} | warmup(draw) | prefix(draw)


def multi_step(draw: random.Random) -> Kwargs:
    marks = sorted(draw.randint(0, 100) for _ in range(draw.randint(0, 5)))
    return {"decay_t": marks, "decay_rate": draw.choice([0.1, 0.5])} | warmup(draw) | prefix(draw)


def wsd(draw: random.Random) -> Kwargs:
    length = draw.choice([1, 2, draw.randint(1, 120)])
    return {
        "t_initial": length,
        "decay_t": draw.randint(1, length),
        "lr_min": draw.choice([0.0, 1e-4, 0.05, 0.2]),
        "stable_fn": draw.choice(["constant", "constant", "rsqrt", "power"]),
        "stable_timescale": draw.randint(1, 50),
        "stable_power": draw.choice([0.5, 1.0, 0.3]),
        "decay_fn": draw.choice(["linear", "1-sqrt", "cosine", "power", "exp"]),
        "decay_power": draw.choice([0.5, 2.0]),
        "decay_ratio": draw.choice([0.1, 0.01]),
    } | warmup(draw)


DRAW: dict[str, Callable[[random.Random], Kwargs]] = {
    "CosineLRScheduler": lambda draw: cycles(draw) | power_of_time(draw),
    "TanhLRScheduler": tanh,
    "PolyLRScheduler": lambda draw: cycles(draw) | power_of_time(draw) | {"power": draw.choice([0.5, 1.0, 1.5, 2.0])},
    "StepLRScheduler": step,
    "MultiStepLRScheduler": multi_step,
    "WSDLRScheduler": wsd,
}


@pytest.mark.parametrize("name", list(DRAW))
def test_timm(name: str, load: Callable[[str], Any]) -> None:
    for index in range(DRAWS):
        draw = random.Random(f"{name} {index}")
        base_lr, given = draw.choice([0.1, 1.0, 3e-4]), DRAW[name](draw)
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base_lr)
        try:
            scheduler = load(name)(optimizer, **given)
        except ValueError:  # a warm-up beyond the end of shrinking cycles
            continue
        rates: list[float] = []
        spec, raised = {"kind": f"timm.{name}", "base_lr": base_lr, **given}, False
        for t in range(LENGTH):
            try:
                scheduler.step(t)
            except ValueError:  # infinitely many shrinking cycles have gone by
                raised = True
                break
            rates.append(optimizer.param_groups[0]["lr"])
        if not any(isinstance(rate, complex) for rate in rates):  # where a rounded cycle overshoots, a root is complex
            agree(spec, rates)
            ends(spec, rates, raised=raised)
