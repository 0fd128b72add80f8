"""Against fvcore itself, on random parameters, composites inside composites included."""

import random
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from app.schedules import resolve
from schemas.plans import Plan
from tests.campaigns import amount
from tests.oracles.compare import agree, ends
from tests.oracles.compare import values as values_of

library = pytest.importorskip("fvcore.common.param_scheduler")

DRAWS = amount(60, 600)
Spec = dict[str, Any]


def values(draw: random.Random) -> list[float]:
    return [draw.choice([1.0, 0.1, 0.01, draw.random()]) for _ in range(draw.randint(1, 6))]


def constant(draw: random.Random) -> Spec:
    return {"value": draw.random()}


def between(draw: random.Random) -> Spec:
    return {
        "start_value": draw.choice([0.0, 0.1, draw.random()]),
        "end_value": draw.choice([0.0, 0.001, draw.random()]),
    }


def exponential(draw: random.Random) -> Spec:
    return {"start_value": draw.random(), "decay": draw.choice([0.02, 0.5, 1.0])}


def polynomial(draw: random.Random) -> Spec:
    return {"base_value": draw.random(), "power": draw.choice([0.9, 1, 2, 0.5])}


def multi_step(draw: random.Random) -> Spec:
    found = values(draw)
    length = draw.randint(len(found), 120)
    if draw.random() < 0.3:
        return {"values": found, "num_updates": length}
    marks = sorted(draw.sample(range(1, max(length, 2) + 10), len(found) - 1))
    return {"values": found, "milestones": marks, "num_updates": (marks[-1] if marks else 1) + length}


def step(draw: random.Random) -> Spec:
    return {"num_updates": draw.randint(1, 100), "values": values(draw)}


def gamma(draw: random.Random) -> Spec:
    return {
        "base_value": draw.choice([1.0, 0.1]),
        "num_decays": draw.randint(1, 12),
        "gamma": draw.choice([0.1, 0.7]),
        "num_updates": draw.randint(1, 100),
    }


LEAVES: dict[str, Callable[[random.Random], Spec]] = {
    "ConstantParamScheduler": constant,
    "LinearParamScheduler": between,
    "CosineParamScheduler": between,
    "ExponentialParamScheduler": exponential,
    "PolynomialDecayParamScheduler": polynomial,
    "MultiStepParamScheduler": multi_step,
    "StepParamScheduler": step,
    "StepWithFixedGammaParamScheduler": gamma,
}


def leaf(name: str, draw: random.Random) -> Spec:
    """A scheduler with its kind."""
    return {"kind": f"fvcore.{name}"} | LEAVES[name](draw)


def composite(draw: random.Random, depth: int = 1) -> Spec:
    """A composite of two to four schedulers, now and then composites."""
    count = draw.randint(2, 4)
    parts = [draw.choice([0.1, 0.25, draw.random()]) for _ in range(count)]
    nest = depth > 0
    return {
        "kind": "fvcore.CompositeParamScheduler",
        "schedulers": [
            composite(draw, depth - 1) if nest and draw.random() < 0.2 else leaf(draw.choice(list(LEAVES)), draw)
            for _ in range(count)
        ],
        "lengths": [part / sum(parts) for part in parts],
        "interval_scaling": [draw.choice(["rescaled", "fixed"]) for _ in range(count)],
    }


def build(spec: Spec) -> Any:
    """fvcore's own scheduler."""
    given = {name: value for name, value in spec.items() if name != "kind"}
    if "schedulers" in given:
        given |= {"schedulers": [build(member) for member in given["schedulers"]], "lengths": [*given["lengths"]]}
    return getattr(library, spec["kind"].removeprefix("fvcore."))(**given)


def compare(spec: Spec, steps: int) -> None:
    """Our values against fvcore's over the run and as far again; what fvcore refuses to construct, we refuse."""
    try:
        scheduler = build(spec)
    except ValueError:
        with pytest.raises(ValidationError):
            values_of(spec, steps)
        return
    theirs: list[Any] = []
    raised = False
    for step in range(2 * steps + 1):
        try:
            theirs.append(scheduler(step / steps))
        except (IndexError, RuntimeError):  # a member that is read beyond its end
            raised = True
            break
        if isinstance(theirs[-1], complex):  # a root of less than nothing, beyond the run
            theirs.pop()
            raised = True
            break
    if theirs:
        agree(spec, theirs, total_steps=steps)
    if len(theirs) >= steps:  # else a member ended before its composite
        whole = resolve(Plan.model_validate({"tracks": {"lr": spec}, "total_steps": steps}))
        ends(whole.tracks["lr"].to_json(), theirs, raised=raised)


@pytest.mark.parametrize("name", list(LEAVES))
def test_every_scheduler(name: str) -> None:
    for index in range(DRAWS):
        draw = random.Random(f"{name} {index}")
        compare(leaf(name, draw), draw.choice([1, 2, 90, 100, 333, draw.randint(3, 200)]))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("num_updates", [None, *range(1, 7)])
def test_every_milestone_and_length_is_accepted_or_refused_as_there(num_updates: int | None, count: int) -> None:
    every = [[*marks] for many in range(4) for marks in product(range(1, 6), repeat=many)]
    for milestones in [None, *every]:
        spec: Spec = {"kind": "fvcore.MultiStepParamScheduler", "values": [1.0, 0.1, 0.01][:count]}
        if milestones is not None:
            spec["milestones"] = milestones
            if num_updates is not None and len(milestones) == count and num_updates < milestones[-1]:
                continue  # the one reading of ours: fvcore's without a length, over a run that ends before the last one
        if num_updates is not None:
            spec["num_updates"] = num_updates
        if spec.get("milestones") != [] or num_updates is not None:  # fvcore's own IndexError
            compare(spec, 12)


def test_a_run_may_end_before_the_last_milestone() -> None:
    spec = {"kind": "fvcore.MultiStepParamScheduler", "values": [1.0, 0.1, 0.01], "milestones": [2, 5, 9]}
    for steps in range(1, 9):
        theirs = [build(spec)(step / steps) for step in range(steps)]
        agree(spec | {"num_updates": steps}, theirs)


@pytest.mark.parametrize("depth", [0, 1])
def test_composites(depth: int) -> None:
    for index in range(DRAWS):
        draw = random.Random(f"composite {depth} {index}")
        compare(composite(draw, depth), draw.choice([1, 2, 90, 100, 333, draw.randint(3, 200)]))
