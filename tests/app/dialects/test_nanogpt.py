"""nanoGPT's `get_lr`, written down again."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import codes, means, not_read

Json = dict[str, Any]
FILE: Json = {
    "learning_rate": 6e-4,
    "max_iters": 6000,
    "warmup_iters": 200,
    "lr_decay_iters": 6000,
    "min_lr": 6e-5,
    "decay_lr": True,
    "weight_decay": 0.1,
    "gradient_accumulation_steps": 40,
}


def get_lr(it: int, warmup: int) -> float:
    if it < warmup:
        return 6e-4 * (it + 1) / (warmup + 1)
    if it > 6000:
        return 6e-5
    return 6e-5 + 0.5 * (1 + cos(pi * (it - warmup) / (6000 - warmup))) * (6e-4 - 6e-5)


@pytest.mark.parametrize("warmup", [200, 0])
def test_values(warmup: int) -> None:
    steps = (0, 1, 100, 199, 200, 201, 3000, 5999, 6000, 6001, 9000)
    answer = means({**FILE, "warmup_iters": warmup}, {step: get_lr(step, warmup) for step in steps})
    assert (answer["library"], codes(answer)) == ("nanogpt", ["warmup-of-now"] if warmup else [])


def test_without_decay_the_rate_is_constant() -> None:
    means({**FILE, "decay_lr": False}, {0: 6e-4, 5000: 6e-4})


@pytest.mark.parametrize(
    ("extra", "pointer", "said"),
    [
        ({"lr_decay_iters": 100}, "/config/lr_decay_iters", "above `warmup_iters`"),
        ({"warmup_its": 100}, "/config/warmup_its", "no field"),
        ({"min_lr": "6e-5"}, "/config/min_lr", "6.0e-5"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(extra: Json, pointer: str, said: str) -> None:
    not_read({**FILE, **extra}, pointer, said)
