"""The schedules of transformers and diffusers: values from independent formulas, edges, and what is refused."""

from math import cos, pi, sqrt
from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, refused
from tests.oracles.compare import values

Json = dict[str, Any]


def hf(name: str, warmup: int = 20, total: int | None = 100, **kwargs: Any) -> Json:
    counts = {"num_warmup_steps": warmup, "num_training_steps": total}
    spec = {"kind": f"transformers.{name}", "base_lr": 1.0, **{name: n for name, n in counts.items() if n is not None}}
    return spec | ({"scheduler_specific_kwargs": kwargs} if kwargs else {})


def diffusers(name: str, **fields: Any) -> Json:
    counts = {} if name == "piecewise_constant" else {"num_warmup_steps": 20, "num_training_steps": 100}
    return {"kind": f"diffusers.{name}", "base_lr": 1.0, **counts, **fields}


WSD: dict[str, Any] = {"num_decay_steps": 30, "min_lr_ratio": 0.1}

VALUES: list[tuple[Json, dict[int, float]]] = [
    (hf("constant"), {0: 1.0, FAR: 1.0}),
    (hf("constant_with_warmup", 4), {0: 0.0, 1: 0.25, 4: 1.0, FAR: 1.0}),
    (hf("constant_with_warmup", 0), {0: 1.0, 1: 1.0}),
    (hf("linear"), {0: 0.0, 10: 0.5, 20: 1.0, 60: 0.5, 100: 0.0, FAR: 0.0}),
    (hf("linear", 100, 100), {99: 0.99, 100: 0.0}),
    (hf("linear", 150, 100), {149: 149 / 150, 150: 0.0}),
    (hf("linear", 0, 1), {0: 1.0, 1: 0.0}),
    (hf("cosine"), {0: 0.0, 20: 1.0, 60: 0.5, 100: 0.0, 140: 0.5, 180: 1.0}),
    (hf("cosine", num_cycles=1.5), {20: 1.0, 33: (1 + cos(3 * pi * 13 / 80)) / 2, 100: 0.0}),
    (hf("cosine", num_cycles=0), {20: 1.0, FAR: 1.0}),
    (hf("cosine", 100, 100), {99: 0.99, 100: 1.0, 101: 0.0}),
    (hf("cosine_with_restarts", num_cycles=2), {20: 1.0, 40: 0.5, 60: 1.0, 80: 0.5, 100: 0.0, FAR: 0.0}),
    (hf("cosine_with_restarts"), {60: 0.5, 100: 0.0, 140: 0.0}),
    (hf("polynomial", power=2.0, lr_end=0.2), {20: 1.0, 60: 0.4, 100: 0.2, FAR: 0.2}),
    (hf("polynomial", 100, 100, lr_end=0.2), {99: 0.99, 100: 0.2}),
    (hf("polynomial", power=0.0, lr_end=0.2), {20: 1.0, 100: 1.0, 101: 0.2}),
    (hf("inverse_sqrt", 20, None), {10: 0.5, 20: 1.0, 80: 0.5}),
    (hf("inverse_sqrt", 0, None), {0: 1.0, 30_000: 0.5}),
    (hf("inverse_sqrt", 20, None, timescale=10), {20: 1.0, 50: 0.5}),
    (hf("cosine_with_min_lr", min_lr=0.2), {0: 0.0, 20: 1.0, 60: 0.6, 100: 0.2}),
    (hf("cosine_with_min_lr", min_lr_rate=0.2), {20: 1.0, 60: 0.6, 100: 0.2}),
    (hf("cosine_warmup_with_min_lr", min_lr=0.2), {0: 0.05, 19: 1.0, 59: 0.6, 99: 0.2}),
    (hf("cosine_warmup_with_min_lr", 11, min_lr=0.2, warmup_lr_rate=0.5), {0: 0.5, 5: 0.75, 10: 1.0, 99: 0.2}),
    (hf("cosine_warmup_with_min_lr", 1, min_lr=0.2, warmup_lr_rate=0.5), {0: 0.5}),
    (hf("warmup_stable_decay", **WSD, decay_type="linear"), {0: 0.1, 10: 0.55, 20: 1.0, 69: 1.0, 85: 0.55, 100: 0.1}),
    (hf("warmup_stable_decay", **WSD, decay_type="1-sqrt"), {70: 1.0, 80: 1 - 0.9 * sqrt(1 / 3), FAR: 0.1}),
    (
        hf("warmup_stable_decay", **WSD, warmup_type="1-sqrt"),
        {5: 0.1 + 0.9 * (1 - sqrt(0.75)), 19: 1 - 0.9 * sqrt(0.05)},
    ),
    (hf("warmup_stable_decay", **WSD, warmup_type="cosine"), {10: 0.55, 85: 0.55}),
    (hf("warmup_stable_decay", 20, 30, **WSD, decay_type="linear"), {19: 0.955, 20: 1 - 0.9 * 20 / 30, 30: 0.1}),
    (hf("warmup_stable_decay", 20, None, **WSD, num_stable_steps=0), {20: 1.0, 35: 0.55, 50: 0.1}),
    (hf("warmup_stable_decay", num_decay_steps=0), {99: 1.0, 100: 0.0}),
    ({"kind": "transformers.Adafactor.relative_step"}, {0: 0.01, 9_999: 0.01, 39_999: 0.005}),
    ({"kind": "transformers.Adafactor.relative_step", "warmup_init": True}, {0: 1e-6, 99: 1e-4, 39_999: 0.005}),
    (diffusers("linear", f_min=0.2, f_max=2.0), {10: 1.0, 20: 2.0, 60: 1.1, 100: 0.2, FAR: 0.2}),
    (diffusers("cosine"), {20: 1.0, 60: 0.5, 100: 0.0}),
    (diffusers("cosine_with_restarts", num_cycles=2), {60: 1.0, 80: 0.5}),
    (diffusers("polynomial", power=2.0), {60: 1e-7 + (1 - 1e-7) / 4, 100: 1e-7}),
    (diffusers("piecewise_constant", step_rules="1:30,0.1:10,0.01"), {0: 0.1, 9: 0.1, 10: 1.0, 29: 1.0, 30: 0.01}),
    (diffusers("piecewise_constant", step_rules="0.5"), {0: 0.5, FAR: 0.5}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


def test_values_never_go_below_0() -> None:
    assert min(values(hf("cosine", num_cycles=1.7), 500)) >= 0


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"kind": "transformers.linear", "num_training_steps": 100, "base_lr": 1.0}, "num_warmup_steps"),
        (hf("linear", total=None), "num_training_steps"),
        (hf("linear", -1), "num_warmup_steps"),
        (hf("linear", num_cycles=1), "scheduler_specific_kwargs"),
        (hf("cosine", power=2.0), "power"),
        (hf("polynomial", lr_end=1.0), "lr_end"),
        (hf("cosine_with_min_lr"), "scheduler_specific_kwargs"),
        (hf("cosine_with_min_lr", num_cycles=0.5), "min_lr"),
        (hf("cosine_with_min_lr", min_lr=0.1, min_lr_rate=0.1), "min_lr_rate"),
        (hf("warmup_stable_decay", total=None, **WSD), "num_stable_steps"),
        (hf("warmup_stable_decay", num_decay_steps=3, decay_type="exp"), "decay_type"),
        (hf("warmup_stable_decay", min_lr_ratio=0.1), "num_decay_steps"),
        ({"kind": "transformers.Adafactor.relative_step", "relative_step": False}, "relative_step"),
        (diffusers("piecewise_constant", step_rules="1:10:3,0.1"), "step_rules"),
        (diffusers("piecewise_constant", step_rules="1:ten,0.1"), "step_rules"),
        (diffusers("polynomial", lr_end=2.0), "lr_end"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)
