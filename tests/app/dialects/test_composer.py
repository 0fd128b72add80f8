"""Composer's schedulers: values from independent formulas, units of time, edges, and what is refused."""

from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, refused

Json = dict[str, Any]


def spec(kind: str, **fields: Any) -> Json:
    return {"kind": f"composer.{kind}", "base_lr": 0.1, "max_duration": "100ba", "steps_per_epoch": 10, **fields}


VALUES: list[tuple[Json, dict[int, float]]] = [
    (spec("StepScheduler", step_size="10ba"), {0: 0.1, 9: 0.1, 10: 0.01, 20: 0.001}),
    (spec("StepScheduler", step_size="0.25dur", gamma=0.5), {24: 0.1, 25: 0.05, 75: 0.0125}),
    (spec("StepScheduler", step_size="300tok", gamma=0.5), {2: 0.1, 3: 0.05, 5: 0.025}),
    (spec("MultiStepScheduler", milestones=[]), {0: 0.1, FAR: 0.1}),
    (
        spec("MultiStepScheduler", milestones=["0.5dur", "2ep", "0ba"], gamma=0.5),
        {0: 0.05, 19: 0.05, 20: 0.025, 50: 0.0125},
    ),
    (spec("ConstantScheduler", alpha=0.3, t_max="0.5dur"), {0: 0.03, 49: 0.03, 50: 0.1, FAR: 0.1}),
    (spec("LinearScheduler", alpha_i=0.2, t_max="5ep"), {0: 0.02, 25: 0.01, 50: 0.0, FAR: 0.0}),
    (spec("LinearScheduler", t_max="5ep", scale_schedule_ratio=0.5), {0: 0.1, 20: 0.02, 25: 0.0}),
    (spec("LinearScheduler", scale_schedule_ratio=0.5), {50: 0.05, 100: 0.0}),
    (spec("LinearScheduler", max_duration="4ep"), {20: 0.05, 40: 0.0}),
    (spec("LinearScheduler", max_duration="160sp"), {10: 0.05, 20: 0.0}),
    (spec("LinearScheduler", max_duration="160sp", samples_per_batch=16), {5: 0.05, 10: 0.0}),
    (spec("LinearScheduler", t_max="2560tok", tokens_per_batch=256), {5: 0.05, 10: 0.0}),
    (spec("LinearScheduler", t_max="1e1ba"), {5: 0.05, 10: 0.0}),
    (spec("ExponentialScheduler", gamma=0.5), {0: 0.1, 5: 0.1 * 0.5**0.5, 10: 0.05}),
    (spec("ExponentialScheduler", gamma=0.0), {0: 0.1, 1: 0.0, FAR: 0.0}),
    (spec("CosineAnnealingScheduler", alpha_f=0.2), {0: 0.1, 50: 0.06, 100: 0.02, FAR: 0.02}),
    (spec("CosineAnnealingWarmRestartsScheduler", t_0="4ba"), {0: 0.1, 2: 0.05, 4: 0.1, 10: 0.05, 2**40 + 2: 0.05}),
    (
        spec("CosineAnnealingWarmRestartsScheduler", t_0="7ba", t_mult=1.5),
        {7: 0.1, 12: 0.05, 17: 0.1, 32: 0.1, 43: 0.05, 54: 0.1, 87: 0.1},  # of 7, 10, 15, 22, 33 batches
    ),
    (spec("CosineAnnealingWarmRestartsScheduler", t_0="10ba", t_mult=1.05), {10: 0.1, 15: 0.05, 1005: 0.05}),
    (spec("CosineAnnealingWarmRestartsScheduler", t_0="4ba", t_mult=0.5), {4: 0.1, 5: 0.05, 6: 0.1, 7: 0.0, FAR: 0.0}),
    (spec("PolynomialScheduler", power=2.0, alpha_f=0.2), {0: 0.1, 50: 0.04, 100: 0.02, FAR: 0.02}),
    (spec("PolynomialScheduler", power=0.0), {0: 0.1, 100: 0.1}),
    (
        spec("MultiStepWithWarmupScheduler", t_warmup="10ba", milestones=["5ba", "30ba"]),
        {5: 0.05, 9: 0.09, 10: 0.01, 30: 0.001},
    ),
    (spec("ConstantWithWarmupScheduler", t_warmup="1ep", alpha=0.5), {0: 0.0, 5: 0.025, 10: 0.05, FAR: 0.05}),
    (spec("LinearWithWarmupScheduler", t_warmup="20ba", alpha_i=0.8), {0: 0.0, 10: 0.04, 20: 0.08, 60: 0.04, 100: 0.0}),
    (spec("LinearWithWarmupScheduler", t_warmup="0ba"), {0: 0.1, 50: 0.05, 100: 0.0}),
    (spec("LinearWithWarmupScheduler", t_warmup="100ba"), {50: 0.05, 100: 0.1, FAR: 0.1}),
    (
        spec("LinearWithWarmupScheduler", t_warmup="20ba", scale_warmup=True, scale_schedule_ratio=0.5),
        {5: 0.05, 10: 0.1, 20: 0.1, 60: 0.05},
    ),
    (
        spec("CosineAnnealingWithWarmupScheduler", t_warmup="0.2dur", alpha_f=0.2),
        {10: 0.05, 20: 0.1, 60: 0.06, 100: 0.02},
    ),
    (spec("PolynomialWithWarmupScheduler", t_warmup="20ba"), {10: 0.05, 20: 0.1, 60: 0.025, 100: 0.0, FAR: 0.0}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


LINEAR = "LinearWithWarmupScheduler"


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec("StepScheduler", step_size="0ba"), "step_size"),
        (spec("StepScheduler", step_size="1.5ba"), "step_size"),
        (spec("StepScheduler", step_size="10"), "step_size"),
        (spec("StepScheduler", step_size="10sec"), "step_size"),
        (spec("LinearScheduler", t_max="0dur"), "t_max"),
        (spec("LinearScheduler", max_duration="1dur"), "max_duration"),
        ({"kind": "composer.LinearScheduler", "base_lr": 0.1}, "max_duration"),
        ({"kind": "composer.LinearScheduler", "base_lr": 0.1, "t_max": "1ep"}, "steps_per_epoch"),
        (spec(LINEAR, t_warmup="10ba", t_max="50ba"), "t_max"),
        (spec(LINEAR, t_warmup="10ba", t_max="9ep"), "t_max"),
        (spec(LINEAR, t_warmup="10tok"), "t_warmup"),
        (spec(LINEAR, t_warmup="10ba", scale_warmup=True, scale_schedule_ratio=0.01, t_max="10000ba"), "t_warmup"),
        (spec("CosineAnnealingWarmRestartsScheduler", t_0="0ba"), "t_0"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)
