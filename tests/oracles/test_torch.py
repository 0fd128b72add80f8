"""Against PyTorch itself, on random parameters: every scheduler, both forms, momentum, and random nests of them."""

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from typing import Any

import pytest

from app.errors import Invalid
from schemas.specs import schedule
from tests.campaigns import amount
from tests.oracles.compare import agree, ends

torch = pytest.importorskip("torch")
lr_scheduler = torch.optim.lr_scheduler

DRAWS = amount(60, 600)
LENGTH = 60
Draw = Callable[[random.Random], dict[str, Any]]


def length(draw: random.Random) -> int:
    """A number of steps: small ones often, as the edges are there."""
    return draw.choice([1, 1, 2, 3, draw.randint(1, 20), draw.randint(1, 100)])


def lambda_lr(draw: random.Random) -> dict[str, Any]:
    texts = ["0.95 ** epoch", "1 / (1 + epoch)", "1 + epoch % 5", "min(epoch / 10, 1)", "0.5 ** (epoch // 7)"]
    return {"kind": "torch.LambdaLR", "lr_lambda": draw.choice(texts)}


def multiplicative(draw: random.Random) -> dict[str, Any]:
    texts = ["0.95", "epoch / (epoch + 1)", "1 - 0.1 / (epoch + 1)", f"{draw.uniform(0.5, 1.1)}"]
    return {"kind": "torch.MultiplicativeLR", "lr_lambda": draw.choice(texts)}


def step(draw: random.Random) -> dict[str, Any]:
    return {"kind": "torch.StepLR", "step_size": length(draw), "gamma": draw.choice([0.0, 0.1, draw.uniform(0.2, 1.2)])}


def multi_step(draw: random.Random) -> dict[str, Any]:
    milestones = [draw.randint(0, 60) for _ in range(draw.randint(0, 6))]
    return {"kind": "torch.MultiStepLR", "milestones": milestones, "gamma": draw.choice([0.1, draw.uniform(0.2, 1.2)])}


def constant(draw: random.Random) -> dict[str, Any]:
    return {"kind": "torch.ConstantLR", "factor": draw.uniform(0.01, 1), "total_iters": length(draw)}


def linear(draw: random.Random) -> dict[str, Any]:
    start, end = draw.choice([1.0, 1e-8, draw.uniform(0.01, 1)]), draw.choice([0.0, 1.0, draw.random()])
    return {"kind": "torch.LinearLR", "start_factor": start, "end_factor": end, "total_iters": length(draw)}


def exponential(draw: random.Random) -> dict[str, Any]:
    return {"kind": "torch.ExponentialLR", "gamma": draw.choice([0.0, 1.0, draw.uniform(0.5, 1.1)])}


def polynomial(draw: random.Random) -> dict[str, Any]:
    return {"kind": "torch.PolynomialLR", "total_iters": length(draw), "power": draw.choice([0.5, 1, 2.0, 0.9, 5])}


def cosine(draw: random.Random) -> dict[str, Any]:
    return {"kind": "torch.CosineAnnealingLR", "T_max": length(draw), "eta_min": draw.choice([0.0, 1e-5, 2e-4])}


def restarts(draw: random.Random) -> dict[str, Any]:
    kind = "torch.CosineAnnealingWarmRestarts"
    return {"kind": kind, "T_0": length(draw), "T_mult": draw.choice([1, 1, 2, 3]), "eta_min": draw.choice([0.0, 0.01])}


def cyclic(draw: random.Random) -> dict[str, Any]:
    spec: dict[str, Any] = {"kind": "torch.CyclicLR", "base_lr": draw.choice([0.0, 0.001]), "max_lr": draw.random()}
    spec["step_size_up"] = draw.randint(1, 30)
    if draw.random() < 0.5:
        spec["step_size_down"] = draw.randint(0, 30)
    spec |= {"mode": draw.choice(["triangular", "triangular2", "exp_range"]), "gamma": draw.uniform(0.9, 1)}
    if draw.random() < 0.3:
        spec |= {"scale_fn": draw.choice(["1 / x", "0.9 ** x"]), "scale_mode": "cycle"}
    return spec


def one_cycle(draw: random.Random) -> dict[str, Any]:
    spec: dict[str, Any] = {"kind": "torch.OneCycleLR", "max_lr": draw.uniform(0.01, 1)}
    spec["pct_start"] = draw.choice([0.3, 0.0, 1.0, draw.random()])
    spec["total_steps"] = next(n for n in iter(lambda: length(draw), 0) if spec["pct_start"] * n != 1)
    spec |= {"anneal_strategy": draw.choice(["cos", "linear"]), "three_phase": draw.random() < 0.4}
    spec |= {"div_factor": draw.choice([25.0, 4.0]), "final_div_factor": draw.choice([1e4, 10.0])}
    return spec


RECURSIVE: list[Draw] = [step, multi_step, constant, linear, exponential, polynomial, cosine]
LEAVES: list[Draw] = [*RECURSIVE, lambda_lr, multiplicative, restarts, cyclic]


def chained(draw: random.Random, depth: int = 1) -> dict[str, Any]:
    return {"kind": "torch.ChainedScheduler", "schedulers": members(draw, depth)}


def sequential(draw: random.Random, depth: int = 0) -> dict[str, Any]:
    found = members(draw, depth)
    milestones = sorted(draw.randint(0, 60) for _ in found[1:])
    return {"kind": "torch.SequentialLR", "schedulers": found, "milestones": milestones}


def members(draw: random.Random, depth: int) -> list[dict[str, Any]]:
    """Two or three schedulers; up to `depth` levels of composites, of which torch takes any number."""
    nests: list[Draw] = [lambda draw: chained(draw, depth - 1), lambda draw: sequential(draw, depth - 1)]
    kinds = [*LEAVES, *(nests * 2 if depth > 0 else [])]
    return [draw.choice(kinds)(draw) for _ in range(draw.choice([2, 2, 3]))]


def theirs(spec: dict[str, Any], base_lr: float, count: int) -> tuple[list[float], list[float]]:
    """The rates and momenta that torch gives, up to where it raises."""
    optimizer: Any = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base_lr, momentum=0.9)
    rates, momenta = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = build(spec, optimizer)
        for _ in range(count):
            rates.append(optimizer.param_groups[0]["lr"])
            momenta.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            try:
                scheduler.step()
            except (ZeroDivisionError, NotImplementedError, ValueError, OverflowError):
                break
    return rates, momenta


def build(spec: dict[str, Any], optimizer: Any) -> Any:
    name = spec["kind"].removeprefix("torch.")
    given = {key: value for key, value in spec.items() if key not in ("kind", "form", "quantity")}
    for key in ("lr_lambda", "scale_fn"):
        if key in given:
            variable = "epoch" if key == "lr_lambda" else "x"
            given[key] = eval(f"lambda {variable}: {given[key]}")
    if "schedulers" in given:
        given["schedulers"] = [build(member, optimizer) for member in given["schedulers"]]
    if name == "ChainedScheduler":
        return lr_scheduler.ChainedScheduler(given["schedulers"], optimizer)
    return getattr(lr_scheduler, name)(optimizer, **given)


def draws(name: str, count: int = DRAWS) -> Iterator[random.Random]:
    return (random.Random(f"{name} {index}") for index in range(count))


@pytest.mark.parametrize("kind", [*LEAVES, one_cycle], ids=lambda kind: kind.__name__)
def test_every_scheduler(kind: Draw) -> None:
    for draw in draws(kind.__name__):
        spec, base_lr = kind(draw), draw.choice([0.1, 1.0, 3e-4])
        rates, _ = theirs(spec, base_lr, LENGTH)
        agree({"base_lr": base_lr} | spec, rates)
        ends({"base_lr": base_lr} | spec, rates, raised=len(rates) < LENGTH)


def test_a_composite_ends_where_a_member_does() -> None:
    cycle, late = {"kind": "torch.OneCycleLR", "max_lr": 0.5, "total_steps": 20}, {"kind": "torch.ConstantLR"}
    for schedulers, milestones in ([cycle, late], [30]), ([cycle, late], [21]), ([late, cycle], [7]):
        spec = {"kind": "torch.SequentialLR", "schedulers": schedulers, "milestones": milestones, "base_lr": 0.1}
        rates, _ = theirs({key: value for key, value in spec.items() if key != "base_lr"}, 0.1, LENGTH)
        agree(spec, rates)
        assert schedule(spec).last_step() == (len(rates) - 1 if len(rates) < LENGTH else None)
    chain = {"kind": "torch.ChainedScheduler", "schedulers": [late, cycle]}
    rates, _ = theirs(chain, 0.1, LENGTH)
    ends({"base_lr": 0.1} | chain, rates, raised=True)


@pytest.mark.parametrize("kind", [*RECURSIVE, multiplicative], ids=lambda kind: kind.__name__)
def test_the_recursive_form(kind: Draw) -> None:
    for draw in draws(kind.__name__):
        spec, base_lr = kind(draw), draw.choice([0.1, 1.0, 3e-4])
        rates, _ = theirs(spec, base_lr, 3 * LENGTH)
        agree({"base_lr": base_lr, "form": "recursive"} | spec, rates)


@pytest.mark.parametrize("kind", [cyclic, one_cycle], ids=lambda kind: kind.__name__)
def test_momentum(kind: Draw) -> None:
    for draw in draws(kind.__name__):
        spec = kind(draw) | {"base_momentum": draw.choice([0.85, 0.5]), "max_momentum": draw.choice([0.95, 0.9])}
        _, momenta = theirs(spec, 0.1, LENGTH)
        agree({"base_lr": 0.1, "quantity": "momentum"} | spec, momenta)


@pytest.mark.parametrize("kind", ["constant", "linear", "polynomial"])
def test_a_length_of_0_in_the_recursive_form(kind: str) -> None:
    spec = {"constant": constant, "linear": linear, "polynomial": polynomial}[kind](random.Random(0))
    spec["total_iters"] = 0
    agree({"base_lr": 0.1, "form": "recursive"} | spec, theirs(spec, 0.1, 20)[0])


@pytest.mark.parametrize("nest", [chained, sequential], ids=lambda nest: nest.__name__)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_composites(nest: Callable[..., dict[str, Any]], depth: int) -> None:
    compared = 0
    for draw in draws(f"{nest.__name__} {depth}"):
        spec, base_lr = nest(draw, depth), draw.choice([0.1, 1.0])
        rates, _ = theirs(spec, base_lr, LENGTH)
        with suppress(Invalid) if depth == 2 else nullcontext():  # a nest can be longer than a formula may be
            agree({"base_lr": base_lr} | spec, rates, (2e-12, 1e-14))
            compared += 1
    assert compared > 0.95 * DRAWS
