"""fairseq's schedulers: values from independent formulas, edges, and what is refused."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, refused

Json = dict[str, Any]


def spec(kind: str, lr: float | list[float] = 1.0, **fields: Any) -> Json:
    return {"kind": f"fairseq.{kind}", "lr": lr, **fields}


POLY = {"total_num_update": 110, "warmup_updates": 10}
EPOCHS = {"steps_per_epoch": 10}

VALUES: list[tuple[Json, dict[int, float]]] = [
    (spec("cosine", [1.0], max_update=100), {0: 1.0, 50: 0.5, 99: (1 + cos(0.99 * pi)) / 2, 100: 0.1, 250: 0.005}),
    (
        spec("cosine", warmup_updates=10, min_lr=0.2, warmup_init_lr=0.5, lr_period_updates=20, lr_shrink=0.5),
        {0: 0.5, 5: 0.75, 10: 1.0, 20: 0.6, 30: 0.5, 40: 0.3, FAR: 0.0},
    ),
    (spec("cosine", warmup_updates=10, min_lr=0.2, max_update=30), {0: 0.2, 5: 0.6, 20: 0.6}),
    (
        spec("cosine", lr_period_updates=10, t_mult=2.0, lr_shrink=1.0),
        {5: 0.5, 10: 1.0, 20: 0.5, 30: 1.0, 50: 0.5, 70: 1.0},
    ),
    (spec("cosine", lr_period_updates=2.5, lr_shrink=0.5), {0: 1.0, 3: 0.25 * (1 + cos(0.2 * pi)), 5: 0.25}),
    (spec("inverse_sqrt", warmup_updates=16), {0: 0.0, 8: 0.5, 16: 1.0, 64: 0.5, 1600: 0.1}),
    (spec("inverse_sqrt", warmup_updates=1, warmup_init_lr=0.3), {0: 0.3, 1: 1.0, 4: 0.5}),
    (spec("step", [1.0, 5.0], lr_deacy_period=20), {0: 1.0, 19: 1.0, 20: 0.5, 40: 0.25, FAR: 0.0}),
    (spec("step", lr_deacy_period=2, warmup_updates=4, min_lr=0.2), {0: 0.2, 2: 0.6, 4: 1.0, 6: 0.5, 8: 0.25, 10: 0.2}),
    (spec("step", lr_deacy_period=2, lr_decay=0.0), {1: 1.0, 2: 0.0}),
    (
        spec("tri_stage", warmup_steps=10, hold_steps=20, decay_steps=40),
        {0: 0.01, 10: 1, 29: 1, 30: 1, 50: 0.1, 70: 0.01, 99: 0.01},
    ),
    (spec("tri_stage", -1.0, decay_steps=2, final_lr_scale=0.25), {0: -1.0, 1: -0.5, 2: -0.25}),
    (
        spec("tri_stage", phase_ratio=[0.25, 0.25, 0.5], max_update=99),
        {12: 0.01 + 0.99 / 2, 24: 1.0, 48: 1.0, 97: 0.01},
    ),
    (
        spec("triangular", 0.1, max_lr=0.5, lr_period_updates=8, lr_shrink=1.0),
        {0: 0.1, 2: 0.3, 4: 0.5, 6: 0.3, 8: 0.1, 12: 0.5},
    ),
    (spec("triangular", 0.1, max_lr=0.5, lr_period_updates=9, lr_shrink=0.5), {4: 0.5, 8: 0.1, 12: 0.25, 16: 0.1}),
    (
        spec("triangular", 0.1, max_lr=0.5, lr_period_updates=8, lr_shrink=0.5, shrink_min=True),
        {8: 0.05, 12: 0.25, 16: 0.025},
    ),
    (spec("fixed", 1.0), {0: 1.0, FAR: 1.0}),
    (spec("fixed", [1.0, 0.5]), {0: 1.0, FAR: 1.0}),
    (spec("fixed", [1.0, 0.5, 0.2], **EPOCHS), {9: 1.0, 10: 0.5, 20: 0.2, FAR: 0.2}),
    (spec("fixed", [1.0, 0.5], **EPOCHS, warmup_updates=20), {0: 0.05, 9: 0.5, 10: 0.275, 19: 0.5, 20: 0.5}),
    (spec("fixed", [1.0, 0.5], **EPOCHS, force_anneal=4, lr_shrink=0.5), {10: 0.5, 29: 0.5, 30: 0.25, 40: 0.125}),
    (spec("fixed", [1.0, 0.5], **EPOCHS, force_anneal=0, lr_shrink=0.5), {0: 0.125, 10: 0.0625}),
    (
        spec("polynomial_decay", **POLY, end_learning_rate=0.2, power=2.0),
        {5: 0.5, 10: 1.0, 60: 0.4, 110: 0.2, FAR: 0.2},
    ),
    (spec("polynomial_decay", **(POLY | {"total_num_update": 10})), {10: 1.0, 11: 0.0}),
    (spec("polynomial_decay", total_num_update=10), {0: 1.0, 5: 0.5, 10: 0.0}),
    (spec("polynomial_decay", [1.0, 0.5, 0.2], **POLY, **EPOCHS), {0: 0.0, 5: 0.25, 10: 0.2, 60: 0.1}),
    (spec("polynomial_decay", [1.0, 0.5], **POLY), {10: 1.0, 60: 0.5}),
    (
        spec("polynomial_decay", total_num_update=100, **EPOCHS, force_anneal=3),
        {19: 0.81, 20: 0.81 * 0.8, 29: 0.81 * 0.71, 30: 0.81 * 0.71 * 0.7, 100: 0.0},
    ),
    (spec("polynomial_decay", **POLY, **EPOCHS, force_anneal=1), {0: 0.0, 5: 0.05, 9: 0.09, 10: 0.09, 110: 0.0}),
    (spec("manual"), {0: 1.0, FAR: 1.0}),
    (spec("manual", epoch2lr="{'1-3': 0.1, '4': 0.05}", **EPOCHS), {0: 0.1, 29: 0.1, 30: 0.05, FAR: 0.05}),
    (
        spec("manual", update2lr="{'5': 0.1, '20,30': 0.2, '25-27': 0.3}"),
        {4: 1.0, 5: 0.1, 20: 0.2, 25: 0.3, 29: 0.3, 30: 0.2},
    ),
    (
        spec("manual", epoch2lr="{'2': 0.1, '4': 0.05}", update2lr="{'25': 0.7}", **EPOCHS),
        {9: 1.0, 10: 0.1, 25: 0.7, 30: 0.7},
    ),
    (spec("manual", update2lr="{'1-9': 0.1, '3': 0.5}"), {0: 0.1, 2: 0.1, 3: 0.5, 4: 0.1}),
    (spec("manual", epoch2lr="{'1': 0.3}"), {0: 0.3, FAR: 0.3}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


def test_a_restart_comes_a_step_late_where_a_logarithm_is_rounded_down() -> None:
    late = 1 + 3 + 9 + 27 + 81  # floor(log(3**5, 3)) is 4
    gives(spec("cosine", lr_period_updates=1, t_mult=3.0, lr_shrink=1.0), {late - 81: 1.0, late: 0.0})


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec("cosine", [0.1, 0.2], max_update=300), "lr"),
        (spec("cosine"), "lr_period_updates"),
        (spec("cosine", max_update=10, warmup_updates=10), "max_update"),
        (spec("cosine", max_update=10, min_lr=1.0), "min_lr"),
        (spec("inverse_sqrt", warmup_updates=0), "warmup_updates"),
        (spec("step", lr_deacy_period=0), "lr_deacy_period"),
        (spec("step", lr_decay=1.5), "lr_decay"),
        (spec("step", min_lr=1.0), "min_lr"),
        (spec("tri_stage", warmup_steps=10), "decay_steps"),
        (spec("tri_stage", phase_ratio=[0.3, 0.3, 0.3], max_update=10), "phase_ratio"),
        (spec("tri_stage", phase_ratio=[0.5, 0.25, 0.25]), "max_update"),
        (spec("tri_stage", decay_steps=10, final_lr_scale=0.0), "final_lr_scale"),
        (spec("triangular", max_lr=0.5), "max_lr"),
        (spec("triangular", max_lr=2.0, lr_period_updates=1), "lr_period_updates"),
        (spec("fixed", []), "lr"),
        (spec("polynomial_decay", total_num_update=0), "total_num_update"),
        (spec("polynomial_decay", total_num_update=10**6, steps_per_epoch=1, force_anneal=1), "force_anneal"),
        (spec("manual", update2lr="[1]"), "update2lr"),
        (spec("manual", update2lr="{'one': 0.1}"), "update2lr"),
        (spec("manual", epoch2lr="{'1,2-3': 0.1}"), "epoch2lr"),
        (spec("manual", epoch2lr="{'1-999999999': 0.1}"), "epoch2lr"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)
