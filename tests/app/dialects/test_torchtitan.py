"""torchtitan's schedule: values from its own rule written down again, edges, and what is refused."""

import random
from math import cos, pi, sqrt
from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, refused, warned
from tests.oracles.compare import agree, ends, values

Json = dict[str, Any]


def spec(**fields: Any) -> Json:
    return {"kind": "torchtitan.LRSchedulersContainer", "base_lr": 1.0, "training_steps": 100, **fields}


def rule(steps: int, warmup: int, ratio: float | None, shape: str, low: float, count: int) -> list[float]:
    """torchtitan 0.2.2, step by step, up to where it stops with an error."""
    warmup = min(warmup, steps)
    decay = steps - warmup if ratio is None else min(round(steps * ratio), steps - warmup)
    level = steps + 1 - decay
    found = []
    for step in range(count):
        if step < warmup:
            found.append((step + 1) / warmup)
        elif step < level:
            found.append(1.0)
        elif decay == 0:
            break
        else:
            p = (step + 1 - level) / decay
            factor = {"linear": 1 - p, "sqrt": 1 - sqrt(p), "cosine": 0.5 * (1.0 + cos(pi * p))}[shape]
            found.append(low + (1 - low) * factor)
    return found


def test_random_parameters() -> None:
    for index in range(200):
        draw = random.Random(f"torchtitan {index}")
        steps, warmup = draw.choice([1, 2, draw.randint(1, 90)]), draw.choice([0, 1, draw.randint(0, 120)])
        ratio = draw.choice([None, 0.0, 1.0, draw.random()])
        shape, low = draw.choice(["linear", "sqrt", "cosine"]), draw.choice([0.0, 0.1])
        given = spec(warmup_steps=warmup, decay_type=shape, min_lr_factor=low, training_steps=steps)
        given |= {} if ratio is None else {"decay_ratio": ratio}
        theirs = rule(steps, warmup, ratio, shape, low, steps + 10)
        agree(given, theirs)
        ends(given, theirs, raised=len(theirs) < steps + 10)


def test_the_last_update_is_above_the_lowest_and_the_next_is_not() -> None:
    gives(spec(warmup_steps=10), {0: 0.1, 9: 1.0, 10: 1.0, 55: 0.5, 99: 1 / 90, 100: 0.0, 109: -0.1})
    gives(spec(warmup_steps=10, decay_ratio=0.0), {100: 1.0, 101: 1.0, FAR: 1.0})
    warned(spec(warmup_steps=10, decay_ratio=0.0), 101)
    warned(spec(warmup_steps=10, decay_ratio=0.0), 102, "past-the-end")


def test_the_schedule_may_be_laid_out_for_another_length() -> None:
    assert values(spec(warmup_steps=10, total_steps=200), 100) == values(spec(warmup_steps=10, training_steps=200), 100)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec(training_steps=0), "training_steps"),
        (spec(warmup_steps=-1), "warmup_steps"),
        (spec(decay_type="exp"), "decay_type"),
        (spec(decay_ratio=-0.1), "decay_ratio"),
        (spec(base_lr=None), "base_lr"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)
