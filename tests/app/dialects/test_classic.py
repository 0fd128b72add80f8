"""Recipes of tutorials: values from independent formulas, figures that were published, and what is refused."""

from math import cos, pi, sin
from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, refused
from tests.oracles.compare import values

Json = dict[str, Any]


def spec(kind: str, **fields: Any) -> Json:
    return {"kind": f"classic.{kind}", **fields}


def warmup(kind: str, **fields: Any) -> Json:
    name = f"get_{kind}_schedule_with_warmup"
    return spec(name, **({"learning_rate": 1, "num_warmup_steps": 20, "num_training_steps": 100} | fields))


LR = {"lr": 0.1}

VALUES: list[tuple[Json, dict[int, float]]] = [
    (spec("power_scheduling", **LR, s=10), {0: 0.1, 9: 0.1, 10: 0.05, 20: 0.1 / 3}),
    (spec("exponential_scheduling", **LR, s=10), {0: 0.1, 9: 0.1, 10: 0.01, 20: 0.001}),
    (spec("piecewise_constant", boundaries=[100], values=[0.1, 0.001]), {99: 0.1, 100: 0.001, FAR: 0.001}),
    (spec("inverse_t_decay", **LR, k=0.5), {0: 0.1, 2: 0.05, 18: 0.01}),
    (spec("adagrad_lr_decay", lr_decay=0.5), {0: 0.01, 2: 0.005}),
    (spec("adagrad_lr_decay"), {0: 0.01, FAR: 0.01}),
    (spec("lambda_lr", **LR, lr_lambda="0.5 ** epoch"), {0: 0.1, 3: 0.0125}),
    (spec("halve_every_2_epochs", **LR), {0: 0.1, 1: 0.1, 2: 0.05, 4: 0.025}),
    (spec("step_decay"), {99: 0.1, 100: 0.1 * 0.5**10.1, 109: 0.1 * 0.5**11}),
    (spec("step_decay", hold_epochs=0), {0: 0.1 * 0.5**0.1, 9: 0.05}),
    (spec("sin_decay", **LR), {0: 0.02, 4: 0.1, 5: sin(0.1), 6: sin(sin(0.1))}),
    (spec("sin_decay", **LR, warmup_epochs=0), {0: sin(0.1)}),
    (spec("gradual_decay", **LR), {4: 0.1, 5: 0.1**1.0001, 104: 0.1 ** (1.0001**100)}),
    (spec("get_constant_schedule", learning_rate=0.1), {0: 0.1, FAR: 0.1}),
    (warmup("constant"), {0: 0.0, 10: 0.5, 20: 1.0, FAR: 1.0}),
    (warmup("linear"), {0: 0.0, 10: 0.5, 20: 1.0, 60: 0.5, 100: 0.0, FAR: 0.0}),
    (warmup("linear", num_warmup_steps=0), {0: 1.0, 50: 0.5}),
    (warmup("linear", num_warmup_steps=100), {50: 0.5, 99: 0.99, 100: 0.0}),
    (warmup("cosine"), {10: 0.5, 20: 1.0, 60: 0.5, 100: 0.0, 180: 1.0}),
    (warmup("cosine", num_cycles=1.0), {20: 1.0, 60: 0.0, 100: 1.0}),
    (warmup("polynomial_decay", lr_end=0, power=5), {10: 0.5, 20: 1.0, 60: 0.5**5, 100: 0.0, FAR: 0.0}),
    (warmup("polynomial_decay", lr_end=0.2), {60: 0.6, 100: 0.2}),
    (warmup("step"), {10: 0.5, 19: 0.95, 20: 0.5, 39: 0.5, 40: 0.25, 60: 0.125}),
    (warmup("exp", gamma=0.9), {10: 0.5, 20: 1.0, 30: 0.9**10, FAR: 0.0}),
    (
        spec("get_cosine_with_hard_restarts_schedule_with_warmup", learning_rate=1, num_cycles=2)
        | {"num_warmup_steps": 20, "num_training_steps": 100},
        {20: 1.0, 30: 0.5 + 0.5 * cos(pi / 4), 40: 0.5, 60: 1.0, 80: 0.5, 100: 0.0, FAR: 0.0},
    ),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


def test_published_figures_come_out_to_the_last_digit_of_rates_kept_in_float32() -> None:
    sine = values(spec("sin_decay", **LR, dtype="float32"), 40)
    assert sin(sine[20]) == 0.09727657241617098  # what the callback prints for its 22nd epoch
    assert sin(sine[28]) == 0.09606978125185672
    gradual = values(spec("gradual_decay", **LR, dtype="float32"), 40)
    assert gradual[20] ** 1.0001 == 0.0996090197648015


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec("power_scheduling", **LR, s=0), "s"),
        (spec("piecewise_constant", boundaries=[100], values=[0.1]), "values"),
        (warmup("polynomial_decay", lr_end=1), "lr_end"),
        (warmup("exp"), "gamma"),
        (warmup("linear", num_warmup_steps=-1), "num_warmup_steps"),
        (spec("lambda_lr", **LR, lr_lambda=""), "lr_lambda"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)
