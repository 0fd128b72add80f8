"""keras' schedules: values from independent formulas, edges, and what is refused."""

from math import cos, exp, pi
from typing import Any

import numpy as np
import pytest

from tests.app.dialects.checks import FAR, gives, refused, warned
from tests.oracles.compare import values

Json = dict[str, Any]


def spec(kind: str, **fields: Any) -> Json:
    return {"kind": f"keras.{kind}", "dtype": "float64", **fields}


LR = {"initial_learning_rate": 0.1}

VALUES: list[tuple[Json, dict[int, float]]] = [
    (spec("ExponentialDecay", **LR, decay_steps=10, decay_rate=0.5), {0: 0.1, 5: 0.1 * 0.5**0.5, 20: 0.025, FAR: 0.0}),
    (
        spec("ExponentialDecay", **LR, decay_steps=10, decay_rate=0.5, staircase=True),
        {0: 0.1, 9: 0.1, 10: 0.05, 19: 0.05},
    ),
    (spec("ExponentialDecay", **LR, decay_steps=10, decay_rate=0.0), {0: 0.1, 1: 0.0, FAR: 0.0}),
    (spec("ExponentialDecay", **LR, decay_steps=10, decay_rate=0.0, staircase=True), {0: 0.1, 9: 0.1, 10: 0.0}),
    (spec("ExponentialDecay", **LR, decay_steps=2, decay_rate=-0.5, staircase=True), {1: 0.1, 2: -0.05, 4: 0.025}),
    (
        spec("PiecewiseConstantDecay", boundaries=[3, 5], values=[1.0, 0.5, 0.1]),
        {0: 1, 3: 1, 4: 0.5, 5: 0.5, 6: 0.1, FAR: 0.1},
    ),
    (spec("PiecewiseConstantDecay", boundaries=[0], values=[1.0, 0.5]), {0: 1.0, 1: 0.5}),
    (spec("PiecewiseConstantDecay", boundaries=[-1], values=[1.0, 0.5]), {0: 0.5, 9: 0.5}),
    (spec("PiecewiseConstantDecay", boundaries=[5.9], values=[1.0, 0.5]), {5: 1.0, 6: 0.5}),
    (
        spec("PiecewiseConstantDecay", boundaries=[10, 5], values=[1.0, 0.5, 0.25]),
        {5: 1.0, 6: 1.25, 10: 1.25, 11: 0.25},
    ),
    (
        spec("PolynomialDecay", **LR, decay_steps=10, end_learning_rate=0.02, power=2.0),
        {0: 0.1, 5: 0.04, 10: 0.02, FAR: 0.02},
    ),
    (
        spec("PolynomialDecay", **LR, decay_steps=10, end_learning_rate=0.02, power=0.0),
        {0: 0.1, 5: 0.1, 10: 0.1, 99: 0.1},
    ),
    (
        spec("PolynomialDecay", **LR, decay_steps=10, end_learning_rate=0.0, cycle=True),
        {0: 0.1, 5: 0.05, 10: 0.0, 11: 0.1 * (1 - 11 / 20), 20: 0.0, 25: 0.1 * (1 - 25 / 30)},
    ),
    (
        spec("InverseTimeDecay", **LR, decay_steps=2, decay_rate=0.5),
        {0: 0.1, 4: 0.05, 36: 0.01, FAR: 0.1 / (1 + FAR / 4)},
    ),
    (spec("InverseTimeDecay", **LR, decay_steps=2, decay_rate=0.5, staircase=True), {3: 0.1 / 1.5, 5: 0.05}),
    (spec("InverseTimeDecay", **LR, decay_steps=10, decay_rate=-0.5), {0: 0.1, 10: 0.2, 30: -0.2}),
    (spec("CosineDecay", **LR, decay_steps=10, alpha=0.2), {0: 0.1, 5: 0.06, 10: 0.02, FAR: 0.02}),
    (spec("CosineDecay", **LR, decay_steps=10, warmup_steps=5), {0: 0.1, 5: 0.05, 10: 0.0}),
    (
        spec("CosineDecay", **LR, decay_steps=10, warmup_target=0.5, warmup_steps=4),
        {0: 0.1, 2: 0.3, 4: 0.5, 9: 0.25, 14: 0.0},
    ),
    (spec("CosineDecay", **LR, decay_steps=1, warmup_target=0.5), {0: 0.5, 1: 0.0}),
    (
        spec("CosineDecayRestarts", **LR, first_decay_steps=4, t_mul=1.0, m_mul=0.5),
        {0: 0.1, 2: 0.05, 4: 0.05, 6: 0.025, 8: 0.025},
    ),
    (
        spec("CosineDecayRestarts", **LR, first_decay_steps=4, alpha=0.5),
        {0: 0.1, 3: 0.05 + 0.025 * (1 + cos(0.75 * pi)), 4: 0.1, 8: 0.075, 12: 0.1, 20: 0.075},
    ),
    (
        spec("LearningRateScheduler", schedule="where(epoch < 2, lr, lr*exp(-0.1))", base_lr=0.1),
        {1: 0.1, 4: 0.1 * exp(-0.3)},
    ),
    (spec("LearningRateScheduler", schedule="lambda e: 0.1 / (e + 1)", base_lr=0.1), {0: 0.1, 3: 0.025}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


def test_values_are_float32_unless_said_otherwise() -> None:
    for given in (
        {"kind": "keras.ExponentialDecay", **LR, "decay_steps": 7, "decay_rate": 0.9},
        {"kind": "keras.PiecewiseConstantDecay", "boundaries": [3], "values": [0.1, 0.3]},
        {"kind": "keras.LearningRateScheduler", "schedule": "lr * 0.9", "base_lr": 0.1},
    ):
        found = np.array(values(given, 20))
        assert np.array_equal(found.astype(np.float32).astype(float), found)


def test_a_callback_hands_back_the_rounded_rate() -> None:
    kept = [np.float32(0.1)]
    for _ in range(10):
        kept.append(np.float32(float(kept[-1]) * 0.9))
    given = {"kind": "keras.LearningRateScheduler", "schedule": "lr * 0.9", "base_lr": 0.1}
    assert values(given, 10) == [float(rate) for rate in kept[1:]]


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec("ExponentialDecay", **LR, decay_steps=0, decay_rate=0.5), "decay_steps"),
        (spec("InverseTimeDecay", **LR, decay_steps=-1, decay_rate=0.5), "decay_steps"),
        (spec("PolynomialDecay", **LR, decay_steps=0), "decay_steps"),
        (spec("CosineDecay", **LR, decay_steps=0), "decay_steps"),
        (spec("CosineDecayRestarts", **LR, first_decay_steps=0), "first_decay_steps"),
        (spec("PiecewiseConstantDecay", boundaries=[5], values=[1.0]), "boundaries"),
        (spec("PiecewiseConstantDecay", boundaries=[], values=[1.0]), "boundaries"),
        (spec("LearningRateScheduler", schedule="lr +", base_lr=0.1), "schedule"),
        ({"kind": "keras.PiecewiseConstantDecay", "boundaries": [5], "values": [1.0, 1e39]}, "float32"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)


def test_a_warm_up_without_a_target_is_warned_of() -> None:
    given = spec("CosineDecay", **LR, decay_steps=100, warmup_steps=10)
    warned(given, 100, "warmup-without-target")
    warned({**given, "warmup_target": 0.5}, 110)
    warned({**given, "warmup_steps": 0}, 100)
