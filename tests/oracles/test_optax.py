"""optax' schedules against the installed library on random draws: float32 within 2e-6 of the peak, float64 as ever."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.campaigns import amount
from tests.oracles.compare import agree

optax = pytest.importorskip("optax")
jax = pytest.importorskip("jax")

Json = dict[str, Any]
Draw = Callable[[random.Random], Json]

DRAWS = amount(30, 600)  # JAX compiles for most of them
LENGTH = 60
FLOAT32 = (0.0, 2e-6)


def length(chance: random.Random) -> int:
    """A number of steps: small ones often, as the edges are there."""
    return chance.choice([0, 1, 1, 2, 3, chance.randint(1, 20), chance.randint(1, 80)])


def rate(chance: random.Random) -> float:
    """A value."""
    return chance.choice([0.0, 0.1, 1.0, chance.uniform(1e-4, 2)])


def scales(chance: random.Random) -> dict[int, float]:
    """Factors at boundaries: few numbers of them, as JAX compiles for each."""
    return {
        chance.randint(0, 50): chance.choice([0.0, 0.1, 0.5, 2.0, chance.random()])
        for _ in range(chance.choice([1, 3]))
    }


def linear(chance: random.Random) -> Json:
    wait = chance.choice([0, 0, -5, chance.randint(0, 20)])
    ends = {"init_value": rate(chance), "end_value": rate(chance)}
    return ends | {"transition_steps": length(chance), "transition_begin": wait}


def polynomial(chance: random.Random) -> Json:
    return linear(chance) | {"power": chance.choice([1, 2.0, 0.5, 3.3, 0.0])}


def exponential(chance: random.Random) -> Json:
    given = {name: value for name, value in linear(chance).items() if name != "end_value"}
    end = {"end_value": chance.uniform(1e-4, 0.5)} if chance.random() < 0.5 else {}
    return given | end | {"decay_rate": chance.choice([0.0, 0.5, 0.9, 1.0, 1.05]), "staircase": chance.random() < 0.5}


def cosine(chance: random.Random) -> Json:
    shape = {"alpha": chance.choice([0.0, 0.1, 1.5]), "exponent": chance.choice([1.0, 1.0, 2.0, 0.7])}
    return {"init_value": rate(chance), "decay_steps": max(length(chance), 1)} | shape


def piecewise(chance: random.Random) -> Json:
    return {"init_value": rate(chance), "boundaries_and_scales": scales(chance)}


def interpolate(chance: random.Random) -> Json:
    return piecewise(chance) | {"interpolate_type": chance.choice(["linear", "cosine"])}


def cosine_cycle(chance: random.Random) -> Json:
    given = {"transition_steps": max(length(chance), 1), "peak_value": rate(chance), "pct_start": chance.random()}
    return given | {"div_factor": chance.choice([25.0, 2.0]), "final_div_factor": chance.choice([1e4, 10.0])}


def linear_cycle(chance: random.Random) -> Json:
    return cosine_cycle(chance) | {"pct_final": chance.random()}


def warmup(chance: random.Random) -> Json:
    return {"init_value": rate(chance), "peak_value": rate(chance), "warmup_steps": length(chance)}


def warmup_cosine(chance: random.Random) -> Json:
    given = warmup(chance)
    more = {"end_value": chance.choice([0.0, 0.01]), "exponent": chance.choice([1.0, 1.5])}
    return given | more | {"decay_steps": given["warmup_steps"] + max(length(chance), 1)}


def warmup_exponential(chance: random.Random) -> Json:
    given = {name: value for name, value in exponential(chance).items() if name != "init_value"}
    return warmup(chance) | given


def restarts(chance: random.Random) -> Json:
    return {"cosine_kwargs": [warmup_cosine(chance) for _ in range(chance.randint(1, 4))]}


SCHEDULES: dict[str, Draw] = {
    "linear_schedule": linear,
    "polynomial_schedule": polynomial,
    "exponential_decay": exponential,
    "cosine_decay_schedule": cosine,
    "piecewise_constant_schedule": piecewise,
    "piecewise_interpolate_schedule": interpolate,
    "cosine_onecycle_schedule": cosine_cycle,
    "linear_onecycle_schedule": linear_cycle,
    "warmup_constant_schedule": warmup,
    "warmup_cosine_decay_schedule": warmup_cosine,
    "warmup_exponential_decay_schedule": warmup_exponential,
    "sgdr_schedule": restarts,
}


def theirs(schedule: Callable[[Any], Any], dtype: str, *, stairs: bool) -> list[float]:
    """The values of a schedule of optax at the first steps.

    Stairs are asked for one by one: on arrays, XLA multiplies by a reciprocal where it divides a single count, and is a
    step late.
    """
    counts = jax.numpy.arange(LENGTH, dtype="int32" if dtype == "float32" else "int64")
    if stairs:
        return [float(schedule(count)) for count in counts]
    values = np.asarray(jax.vmap(schedule)(counts), dtype=float)
    return [float(value) for value in np.broadcast_to(values, counts.shape)]


def spec(name: str, given: Json, dtype: str) -> Json:
    """A schedule of optax as JSON data, whose keys are texts."""
    points = given.get("boundaries_and_scales")
    texts = {} if points is None else {"boundaries_and_scales": {str(step): factor for step, factor in points.items()}}
    return {"kind": f"optax.{name}", "dtype": dtype} | given | texts


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_has_the_values_of_optax(name: str) -> None:
    chance = random.Random(name)
    for draw in range(DRAWS):
        given, dtype = SCHEDULES[name](chance), "float64" if draw % 2 else "float32"
        with jax.enable_x64(dtype == "float64"):
            expected = theirs(getattr(optax.schedules, name)(**given), dtype, stairs=given.get("staircase", False))
        agree(spec(name, given, dtype), expected, FLOAT32 if dtype == "float32" else (1e-12, 1e-15))


def test_joined_schedules_have_the_values_of_optax() -> None:
    chance = random.Random(1)
    members = [name for name in SCHEDULES if "exponential" not in name and name != "sgdr_schedule"]
    for draw in range(DRAWS):
        dtype = "float64" if draw % 2 else "float32"
        chosen = [(name, SCHEDULES[name](chance)) for name in chance.choices(members, k=chance.randint(1, 4))]
        boundaries = [chance.randint(-3, 50) for _ in chosen[1:]]
        if chance.random() < 0.8:
            boundaries.sort()
        with jax.enable_x64(dtype == "float64"):
            parts = [getattr(optax.schedules, name)(**given) for name, given in chosen]
            expected = theirs(optax.schedules.join_schedules(parts, boundaries), dtype, stairs=False)
        inner = [
            {key: value for key, value in spec(name, given, dtype).items() if key != "dtype"} for name, given in chosen
        ]
        joined = {"kind": "optax.join_schedules", "schedules": inner, "boundaries": boundaries, "dtype": dtype}
        agree(joined, expected, FLOAT32 if dtype == "float32" else (1e-12, 1e-15))
