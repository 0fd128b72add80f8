"""timm's schedulers: values from independent formulas, edges, and what is refused."""

from math import cos, pi, sqrt, tanh
from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, of_curve, refused

Json = dict[str, Any]


def spec(name: str, **fields: Any) -> Json:
    return {"kind": f"timm.{name}", "base_lr": 1.0, **fields}


def cosine(**fields: Any) -> Json:
    return spec("CosineLRScheduler", **fields)


def hyperbolic(**fields: Any) -> Json:
    return spec("TanhLRScheduler", **fields)


def wsd(**fields: Any) -> Json:
    return spec("WSDLRScheduler", **fields)


WARMUP = {"warmup_t": 10, "warmup_lr_init": 0.2}

VALUES: list[tuple[Json, dict[int, float]]] = [
    (cosine(t_initial=100, lr_min=0.1), {0: 1.0, 50: 0.55, 99: 0.55 + 0.45 * cos(0.99 * pi), 100: 0.1}),
    (cosine(t_initial=100, **WARMUP), {0: 0.2, 5: 0.6, 50: 0.5, 100: 0.0, FAR: 0.0}),
    (cosine(t_initial=100, **WARMUP, warmup_prefix=True), {10: 1.0, 60: 0.5, 110: 0.0}),
    (cosine(t_initial=10, cycle_limit=3, cycle_decay=0.5), {5: 0.5, 10: 0.5, 15: 0.25, 20: 0.25, 30: 0.0}),
    (cosine(t_initial=10, cycle_limit=2, cycle_decay=0.5, lr_min=0.1), {10: 0.5, 15: 0.3, 20: 0.1}),
    (cosine(t_initial=10, cycle_mul=2.0, cycle_limit=2), {10: 1.0, 20: 0.5, 30: 0.0, FAR: 0.0}),
    (cosine(t_initial=1, cycle_mul=3.0, cycle_limit=9), {4: 1.0, 121: 0.0, 122: (1 + cos(pi / 243)) / 2}),
    (cosine(t_initial=40, cycle_mul=0.5, cycle_limit=9), {20: 0.5, 40: 1.0, 50: 0.5, 60: 1.0}),
    (cosine(t_initial=100, k_decay=2.0), {0: 1.0, 100: 0.0, 50: 0.5 * (1 + sqrt(0.5))}),
    (cosine(t_initial=100, cycle_limit=0, lr_min=0.3), {0: 0.3, 50: 0.3}),
    (cosine(t_initial=1), {0: 1.0, 1: 0.0}),
    (spec("PolyLRScheduler", t_initial=100), {0: 1.0, 75: 0.5, 100: 0.0, FAR: 0.0}),
    (spec("PolyLRScheduler", t_initial=100, power=2.0, k_decay=2.0), {50: 0.75**2}),
    (hyperbolic(t_initial=100), {50: 0.5 * (1 - tanh(-2)), 100: 0.0}),
    (hyperbolic(t_initial=20, **WARMUP), {5: 0.2 + (0.5 * (1 - tanh(-2)) - 0.2) / 2, 10: 0.5 * (1 - tanh(-2))}),
    (spec("StepLRScheduler", decay_t=30, decay_rate=0.1), {29: 1.0, 30: 0.1, 60: 0.01, FAR: 0.0}),
    (spec("StepLRScheduler", decay_t=0.1, decay_rate=0.5), {0: 1.0, 1: 0.5**9, 3: 0.5**29}),
    (spec("StepLRScheduler", decay_t=30, decay_rate=0.1, **WARMUP), {0: 0.2, 10: 1.0, 39: 1.0, 40: 0.1}),
    (spec("StepLRScheduler", decay_t=30, decay_rate=0.1, **WARMUP, warmup_prefix=False), {10: 1.0, 29: 1.0, 30: 0.1}),
    (spec("MultiStepLRScheduler", decay_t=[30, 60, 60], decay_rate=0.1), {28: 1.0, 29: 0.1, 58: 0.1, 59: 0.001}),
    (spec("MultiStepLRScheduler", decay_t=[1, 5], decay_rate=0.1), {0: 0.1, 3: 0.1, 4: 0.01}),
    (wsd(t_initial=90, decay_t=40, **WARMUP), {0: 0.2, 10: 1.0, 60: 1.0, 70: 0.5, 100: 0.0, FAR: 0.0}),
    (wsd(t_initial=90, decay_t=40, decay_fn="linear", lr_min=0.2), {50: 1.0, 70: 0.6, 90: 0.2}),
    (wsd(t_initial=90, decay_t=40, decay_fn="exp"), {70: (sqrt(0.1) - 0.1) / 0.9, 90: 0.0}),
    (wsd(t_initial=90, decay_t=40, decay_fn="power", decay_power=2.0), {70: 0.75}),
    (
        wsd(t_initial=90, decay_t=10, stable_fn="rsqrt", stable_timescale=20, decay_fn="linear"),
        {0: 1.0, 60: 0.5, 85: 0.5 / sqrt(1 + 85 / 20), 90: 0.0},
    ),
    (wsd(t_initial=9, decay_t=4, lr_min=2.0), {0: 2.0, 9: 2.0}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (cosine(), "t_initial"),
        (cosine(t_initial=0), "t_initial"),
        (cosine(t_initial=10, lr_min=-0.1), "lr_min"),
        (cosine(t_initial=10, cycle_mul=0.0), "cycle_mul"),
        (cosine(t_initial=10, cycle_mul=1.0001, cycle_limit=10**6), "cycle_limit"),
        (hyperbolic(t_initial=10, lb=3.0), "lb"),
        (hyperbolic(t_initial=10, cycle_limit=-1), "cycle_limit"),
        (hyperbolic(t_initial=10, warmup_lr_init=-0.1), "warmup_lr_init"),
        (hyperbolic(t_initial=10, cycle_mul=0.5, warmup_t=30), "warmup_t"),
        (wsd(t_initial=10, decay_t=11), "decay_t"),
        (wsd(t_initial=10, decay_t=0), "decay_t"),
        (wsd(t_initial=10, decay_t=5, decay_ratio=1.0), "decay_ratio"),
        (wsd(t_initial=10, decay_t=5, stable_fn="rsqrt"), "stable_timescale"),
        (wsd(t_initial=10, decay_t=5, decay_fn="cube"), "decay_fn"),
        ({"kind": "timm.StepLRScheduler", "decay_t": 3}, "base_lr"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)


@pytest.mark.parametrize(("prefix", "last"), [(True, 24), (False, 19)])
def test_shrinking_cycles_end_where_timm_raises(prefix: bool, last: int) -> None:
    """Ten steps, five, two and a half and so on come to twenty."""
    given = spec("CosineLRScheduler", t_initial=10, cycle_mul=0.5, cycle_limit=2, lr_min=0.01)
    given |= {"warmup_t": 5, "warmup_lr_init": 0.01, "warmup_prefix": prefix}
    gives(given, {last: 0.01, last + 1: 0.01, FAR: 0.01})
    assert "past-the-end" not in of_curve(given, last + 1)
    assert "past-the-end" in of_curve(given, last + 2)
