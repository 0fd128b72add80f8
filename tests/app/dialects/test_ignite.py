"""ignite's schedulers: values from independent formulas, edges, and what is refused."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, refused

Json = dict[str, Any]


def spec(kind: str, **fields: Any) -> Json:
    return {"kind": f"ignite.{kind}", **fields}


ENDS = {"start_value": 1.0, "end_value": 0.2}
SAW = spec("LinearCyclicalScheduler", **ENDS, cycle_size=10, monotonic=True)
RISE = spec("PiecewiseLinear", milestones_values=[[0, 0.0], [10, 1.0]])


def torch(kind: str, **fields: Any) -> Json:
    return {"kind": f"torch.{kind}", **fields}


def wrapped(member: Json, **fields: Any) -> Json:
    return spec("LRScheduler", lr_scheduler=member, base_lr=1.0, **fields)


def warmed(member: Json, **fields: Any) -> Json:
    return spec("create_lr_scheduler_with_warmup", lr_scheduler=member, base_lr=1.0, warmup_start_value=0.0, **fields)


VALUES: list[tuple[Json, dict[int, float]]] = [
    (
        spec("LinearCyclicalScheduler", **ENDS, cycle_size=10),
        {0: 1.0, 3: 0.52, 5: 0.2, 9: 0.84, 10: 1.0, 10 * 2**30 + 5: 0.2},
    ),
    (spec("LinearCyclicalScheduler", **ENDS, cycle_size=5), {2: 0.36, 3: 0.36, 5: 1.0}),
    (SAW, {0: 1.0, 5: 0.6, 9: 0.28, 10: 1.0}),
    (SAW | {"warmup_duration": 4}, {9: 0.28, 10: 0.2, 12: 0.6, 14: 1.0, 19: 0.6}),
    (SAW | {"start_value_mult": 0.5, "end_value_mult": 2.0}, {5: 0.6, 10: 0.5, 15: 0.45, 20: 0.25, 25: 0.525}),
    (SAW | {"start_value_mult": 0.5, "warmup_duration": 4}, {10: 0.2, 12: 0.35, 14: 0.5, 24: 0.2, 26: 0.225}),
    (SAW | {"cycle_mult": 1.5}, {0: 1.0, 10: 1.0, 15: 1 - 0.8 / 3, 25: 1.0, 36: 0.6, 47: 1.0}),  # of 10, 15, 22 events
    (SAW | {"cycle_mult": 0.5, "warmup_duration": 2}, {12: 1.0, 17: 0.2, 18: 1.0, 20: 1.0, FAR: 0.2}),
    (spec("CosineAnnealingScheduler", **ENDS, cycle_size=10), {0: 1.0, 5: 0.6, 9: 0.6 + 0.4 * cos(0.9 * pi), 10: 1.0}),
    (spec("CosineAnnealingScheduler", **ENDS, cycle_size=2, quantity="momentum"), {0: 1.0, 1: 0.6, 2: 1.0}),
    (
        spec("PiecewiseLinear", milestones_values=[[2, 0.5], [4, 1.0], [4, 0.2], [6, 0.0]]),
        {0: 0.5, 3: 0.75, 4: 0.2, 5: 0.1, 9: 0.0},
    ),
    (spec("PiecewiseLinear", milestones_values=[[5, 0.3]]), {0: 0.3, FAR: 0.3}),
    (spec("ConcatScheduler", schedulers=[RISE, SAW], durations=[10]), {5: 0.5, 10: 1.0, 15: 0.6, 20: 1.0}),
    (spec("ConcatScheduler", schedulers=[RISE, SAW], durations=[0]), {0: 1.0, 5: 0.6}),
    (spec("ConcatScheduler", schedulers=[RISE, SAW, RISE], durations=[5, 0]), {4: 0.4, 5: 1.0, 10: 0.6}),
    (spec("ParamGroupScheduler", schedulers=[RISE, SAW], group=1), {5: 0.6}),
    (wrapped(torch("ExponentialLR", gamma=0.5)), {0: 0.5, 1: 0.25}),
    (wrapped(torch("ExponentialLR", gamma=0.5), use_legacy=True), {0: 0.5, 1: 0.25}),
    (wrapped(torch("StepLR", step_size=2, gamma=0.5)), {0: 1.0, 1: 1.0, 2: 0.5}),
    (wrapped(torch("LinearLR", start_factor=0.5, total_iters=4)), {0: 0.25, 2: 0.375, 4: 0.5, FAR: 0.5}),
    (wrapped(torch("ConstantLR", factor=0.5, total_iters=4)), {0: 0.25, 4: 0.5}),
    (wrapped(torch("PolynomialLR", total_iters=4)), {0: 0.8, 2: 0.4, 4: 0.0}),
    (wrapped(torch("MultiplicativeLR", lr_lambda="1 / (epoch + 2)")), {0: 0.5, 1: 0.5 / 3}),
    (wrapped(torch("CosineAnnealingLR", T_max=4)), {0: 2 / (1 + cos(pi / 4)), 2: 0.5, 4: 0.0}),
    (wrapped(torch("CosineAnnealingWarmRestarts", T_0=4)), {1: 0.5, 3: 1.0}),
    (wrapped(torch("LambdaLR", lr_lambda="epoch + 1"), use_legacy=True), {0: 2.0}),
    (warmed(torch("ExponentialLR", gamma=0.5), warmup_duration=5), {0: 0.0, 2: 0.5, 4: 1.0, 5: 0.5}),
    (
        warmed(torch("ExponentialLR", gamma=0.5), warmup_duration=5, warmup_end_value=0.4),
        {2: 0.2, 4: 0.4, 5: 1.0, 6: 0.5},
    ),
    (warmed(torch("LinearLR", start_factor=0.5, total_iters=4), warmup_duration=3), {1: 0.25, 2: 0.5, 3: 0.625}),
    (warmed(torch("OneCycleLR", max_lr=1.0, total_steps=99), warmup_duration=2), {0: 0.0, 1: 0.04}),
    (warmed(SAW, warmup_duration=6, warmup_end_value=1.0), {0: 0.0, 4: 0.8, 5: 1.0, 10: 0.6}),
    (warmed(SAW, warmup_duration=2, warmup_end_value=1.0), {0: 0.0, 1: 1.0, 6: 0.6}),
    (warmed(SAW, warmup_duration=5, warmup_end_value=0.4), {2: 0.2, 4: 0.4, 5: 1.0, 10: 0.6}),
    (spec("LambdaStateScheduler", lambda_obj="lambda event_index: 2 * event_index"), {1: 2.0, 4: 8.0}),
    (spec("ExpStateScheduler", initial_value=8.0, gamma=0.5), {1: 4.0, 3: 1.0}),
    (spec("StepStateScheduler", initial_value=8.0, gamma=0.5, step_size=3), {1: 8.0, 3: 4.0, 8: 2.0}),
    (
        spec("MultiStepStateScheduler", initial_value=8.0, gamma=0.5, milestones=[6, 3, 3]),
        {2: 8.0, 3: 2.0, 6: 1.0, FAR: 1.0},
    ),
    (spec("PiecewiseLinearStateScheduler", milestones_values=[[1, 2.0], [3, 4.0]]), {1: 2.0, 2: 3.0, FAR: 4.0}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec("CosineAnnealingScheduler", **ENDS, cycle_size=1), "cycle_size"),
        (SAW | {"monotonic": False, "warmup_duration": 1}, "warmup_duration"),
        (spec("PiecewiseLinear", milestones_values=[]), "milestones_values"),
        (spec("PiecewiseLinear", milestones_values=[[5, 1.0], [4, 1.0]]), "milestones_values"),
        (spec("PiecewiseLinear", milestones_values=[[0.5, 1.0]]), "milestones_values"),
        (spec("ConcatScheduler", schedulers=[RISE], durations=[]), "schedulers"),
        (spec("ConcatScheduler", schedulers=[RISE, SAW], durations=[]), "durations"),
        (spec("ParamGroupScheduler", schedulers=[RISE], group=1), "group"),
        (wrapped(RISE), "lr_scheduler"),
        (wrapped(torch("ChainedScheduler", schedulers=[torch("StepLR", step_size=1)])), "lr_scheduler"),
        (warmed(SAW, warmup_duration=1), "warmup_duration"),
        (warmed(SAW, warmup_duration=5, warmup_end_value=None) | {"base_lr": None}, "base_lr"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)
