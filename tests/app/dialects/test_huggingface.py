"""What transformers and diffusers share: a warm-up from 0, and what follows it, by the formulas of both."""

from collections.abc import Callable
from math import cos, pi

import pytest

from app.dialects.huggingface import linear, power_decay, restarts, warmed_up, waves
from schemas.compose import constant
from schemas.specs import Spec
from tests.oracles.compare import agree

SHAPES: list[tuple[Spec, Callable[[float], float]]] = [
    (linear(2.0, 0.5, 10, 30), lambda p: 2.0 - 1.5 * min(p, 1)),
    (waves(2.0, 0.0, 10, 30, 0.5), lambda p: 1 + cos(pi * p)),
    (waves(2.0, 0.5, 10, 30, 1.5), lambda p: 0.5 + 1.5 * (1 + cos(3 * pi * p)) / 2),
    (waves(2.0, 0.5, 10, 30, 0), lambda p: 2.0),
    (restarts(2.0, 10, 30, 2), lambda p: 0.0 if p >= 1 else 1 + cos(pi * ((2 * p) % 1))),
    (restarts(2.0, 10, 30, 1), lambda p: 1 + cos(pi * min(p, 1))),
    (power_decay(2.0, 0.5, 10, 30, 3.0), lambda p: 0.5 + 1.5 * (1 - min(p, 1)) ** 3),
    (power_decay(2.0, 0.5, 10, 30, 0.0), lambda p: 2.0 if p <= 1 else 0.5),
]


@pytest.mark.parametrize(("spec", "formula"), SHAPES, ids=range(len(SHAPES)))
def test_a_decay_by_the_share_of_what_the_warm_up_leaves(spec: Spec, formula: Callable[[float], float]) -> None:
    agree(spec.to_json(), [formula(step / 20) for step in range(61)])


@pytest.mark.parametrize(("warmup", "factors"), [(0, [1.0] * 5), (4, [0.0, 0.25, 0.5, 0.75, 1.0])])
def test_a_warm_up_is_a_straight_line_from_nothing(warmup: int, factors: list[float]) -> None:
    agree(warmed_up(2.0, warmup, constant(2.0)).to_json(), [2.0 * factor for factor in factors])


def test_a_decay_without_steps_is_at_its_end_and_one_that_would_rise_is_refused() -> None:
    agree(linear(2.0, 0.5, 30, 30).to_json(), [0.5, 0.5])
    agree(power_decay(2.0, 0.5, 30, 30, 1.0).to_json(), [0.5, 0.5])
    with pytest.raises(ValueError, match="`lr_end` 2 must be below `base_lr` 2"):
        power_decay(2.0, 2.0, 0, 30, 1.0)
