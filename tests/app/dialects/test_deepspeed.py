"""DeepSpeed's schedulers: values from independent formulas, edges, and what is refused."""

from math import log
from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, refused, warned

Json = dict[str, Any]


def spec(kind: str, **fields: Any) -> Json:
    return {"kind": f"deepspeed.{kind}", "base_lr": 0.1, **fields}


CYCLE = {"cycle_min_lr": 0.1, "cycle_max_lr": 0.5, "cycle_first_step_size": 4}
DECAY = {"decay_step_size": 2, "decay_lr_rate": 0.5, "decay_mom_rate": 0.5}
LINEAR = {"warmup_type": "linear", "warmup_num_steps": 10}

VALUES: list[tuple[Json, dict[int, float]]] = [
    (spec("LRRangeTest", lr_range_test_step_size=10), {0: 0.001, 10: 0.002, 15: 0.0025, 1000: 0.101}),
    (
        spec("LRRangeTest", lr_range_test_step_size=10, lr_range_test_step_rate=5.0, lr_range_test_staircase=True),
        {0: 0.001, 9: 0.001, 10: 0.006, 25: 0.011},
    ),
    (spec("LRRangeTest", lr_range_test_min_lr=[0.1, 0.2], lr_range_test_step_size=1, group=1), {0: 0.2, 1: 0.4}),
    (spec("OneCycle", **CYCLE), {0: 0.1, 1: 0.2, 4: 0.5, 6: 0.3, 8: 0.1, 9: 0.1, FAR: 0.1}),
    (spec("OneCycle", **CYCLE, decay_lr_rate=0.5), {9: 0.1, FAR: 0.1}),
    (spec("OneCycle", **CYCLE, **DECAY), {8: 0.1, 10: 0.1 / 1.5, 12: 0.05}),
    (spec("OneCycle", **CYCLE, cycle_second_step_size=0), {3: 0.4, 4: 0.1, 5: 0.1}),
    (spec("OneCycle", **CYCLE, cycle_second_step_size=8), {4: 0.5, 8: 0.3, 12: 0.1}),
    (spec("OneCycle", **CYCLE, cycle_first_stair_count=2), {1: 0.1, 2: 0.3, 3: 0.3, 4: 0.5, 5: 0.3, 6: 0.3, 7: 0.1}),
    (spec("OneCycle", **CYCLE, quantity="momentum"), {0: 0.8, 1: 0.875, 4: 0.8, 8: 0.9, FAR: 0.9}),
    (spec("OneCycle", **CYCLE, **DECAY, quantity="momentum"), {8: 0.9, 10: 1.35}),
    (spec("OneCycle", **CYCLE, cycle_second_step_size=3) | {"cycle_first_step_size": 0}, {0: 0.1, 3: 0.1}),
    (spec("WarmupLR", **LINEAR), {0: 0.0, 1: 0.0, 2: 0.01, 11: 0.1, FAR: 0.1}),
    (spec("WarmupLR", warmup_num_steps=10), {0: 0.0, 1: 0.0, 2: 0.1 * log(2) / log(10), 10: 0.1, FAR: 0.1}),
    (spec("WarmupLR", warmup_num_steps=10, warmup_type="?"), {2: 0.1 * log(2) / log(10)}),
    (spec("WarmupLR", warmup_num_steps=1, warmup_min_lr=0.02), {0: 0.02, 1: 0.02, 2: 0.1}),
    (spec("WarmupLR", **LINEAR) | {"base_lr": [0.1, 0.7], "group": 1}, {11: 0.1}),
    (spec("WarmupDecayLR", **LINEAR, total_num_steps=20), {6: 0.0005, 11: 0.001, 16: 0.0005, 21: 0.0, FAR: 0.0}),
    (spec("WarmupDecayLR", **LINEAR, total_num_steps=5, warmup_max_lr=1.0), {10: 0.9, 11: 0.0}),
    (spec("WarmupDecayLR", **LINEAR, total_num_steps=10, warmup_min_lr=0.5, warmup_max_lr=1.0), {10: 0.95, 11: 0.5}),
    (
        spec("WarmupCosineLR", **LINEAR, total_num_steps=30, cos_min_ratio=0.2),
        {0: 0.0, 6: 0.05, 20: 0.06, 30: 0.02, FAR: 0.02},
    ),
    (spec("WarmupCosineLR", **LINEAR, total_num_steps=30, warmup_min_ratio=0.5), {0: 0.0, 1: 0.05, 6: 0.075}),
    (spec("WarmupCosineLR", **LINEAR, total_num_steps=3), {10: 0.09, 11: 1e-5, FAR: 1e-5}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec("WarmupLR", warmup_num_steps=0), "warmup_num_steps"),
        (spec("WarmupCosineLR", warmup_num_steps=1.5, total_num_steps=3), "warmup_num_steps"),
        ({"kind": "deepspeed.WarmupLR"}, "base_lr"),
        (spec("LRRangeTest", lr_range_test_step_size=0), "lr_range_test_step_size"),
        (spec("LRRangeTest", lr_range_test_min_lr=[0.1], group=1), "lr_range_test_min_lr"),
        (spec("OneCycle", **(CYCLE | {"cycle_first_step_size": 0})), "cycle_first_step_size"),
        (spec("OneCycle", **CYCLE, cycle_momentum=False, quantity="momentum"), "cycle_momentum"),
        (spec("OneCycle", cycle_max_lr=0.1), "cycle_min_lr"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)


def test_a_peak_that_nobody_chose_is_warned_of() -> None:
    given = {"kind": "deepspeed.WarmupDecayLR", "total_num_steps": 100, "warmup_num_steps": 10}
    warned({**given, "base_lr": 5e-7}, 100, "default-peak")
    warned({**given, "base_lr": 0.001}, 100)
    warned(given, 100)
    warned({**given, "base_lr": 5e-7, "warmup_max_lr": 5e-7}, 100)
