"""Megatron-LM's scheduler: values from independent formulas, both quantities, edges, and what is refused."""

from typing import Any

import pytest

from app.errors import Invalid
from tests.app.dialects.checks import FAR, gives, refused
from tests.oracles.compare import values

Json = dict[str, Any]


def spec(**fields: Any) -> Json:
    return {
        "kind": "megatron.OptimizerParamScheduler",
        "init_lr": 0.0,
        "max_lr": 1.0,
        "min_lr": 0.1,
        "lr_warmup_steps": 10,
        "lr_decay_steps": 110,
        "lr_decay_style": "linear",
        "start_wd": 0.1,
        "end_wd": 0.1,
        "wd_incr_steps": 100,
        "wd_incr_style": "constant",
        **fields,
    }


def wsd(style: str, steps: int = 40, **fields: Any) -> Json:
    return spec(lr_decay_style="WSD", lr_wsd_decay_style=style, wsd_decay_steps=steps, **fields)


WD = {"quantity": "weight_decay", "start_wd": 0.0, "end_wd": 0.2}

VALUES: list[tuple[Json, dict[int, float]]] = [
    (spec(), {0: 0.0, 5: 0.5, 10: 1.0, 60: 0.55, 110: 0.1, 111: 0.1, FAR: 0.1}),
    (spec(lr_decay_style="cosine"), {10: 1.0, 60: 0.55, 110: 0.1, FAR: 0.1}),
    (spec(lr_decay_style="constant"), {5: 0.5, 11: 1.0, FAR: 1.0}),
    (
        spec(lr_decay_style="inverse-square-root"),
        {5: 0.5, 10: 1.0, 40: 0.5, 90: 1 / 3, 110: (10 / 110) ** 0.5, 111: 0.1},
    ),
    (spec(lr_decay_style="inverse-square-root", min_lr=0.6), {40: 0.6, 110: 0.6}),
    (spec(lr_decay_style="inverse-square-root", lr_warmup_steps=0), {0: 1.0, 1: 1.0, 4: 0.5, 111: 0.1}),
    (spec(lr_warmup_steps=0), {0: 1.0, 55: 0.55, 110: 0.1}),
    (spec(lr_warmup_steps=109), {109: 1.0, 110: 0.1}),
    (spec(init_lr=0.5, lr_warmup_steps=2), {0: 0.5, 1: 0.75, 2: 1.0}),
    (spec(increment=10), {0: 0.0, 1: 1.0, 6: 0.55, 11: 0.1, 12: 0.1}),
    (spec(increment=3), {1: 0.3, 3: 0.9, 4: 1 - 0.9 * 2 / 100}),
    (spec(param_group={"max_lr": 2.0, "min_lr": 0.0}), {5: 1.0, 10: 2.0, 60: 1.0, 111: 0.0}),
    (wsd("linear"), {10: 1.0, 70: 1.0, 71: 1 - 0.9 / 40, 90: 0.55, 110: 0.1, FAR: 0.1}),
    (wsd("cosine"), {70: 1.0, 90: 0.55, 110: 0.1}),
    (wsd("minus_sqrt"), {70: 1.0, 80: 0.55, 110: 0.1}),
    (wsd("exponential"), {70: 1.0, 90: 0.1 + (2 * 0.5**0.5 - 1) * 0.9, 110: 0.1}),
    (wsd("linear", 0), {110: 1.0, 111: 0.1}),
    (wsd("linear", 105), {10: 1.0, 11: 0.1 + 0.9 * 99 / 105, 110: 0.1}),
    (wsd("linear", 220), {10: 1.0, 11: 0.1 + 0.9 * 99 / 220, 110: 0.1}),
    (spec(quantity="weight_decay"), {0: 0.1, FAR: 0.1}),
    (spec(**WD, wd_incr_style="linear"), {0: 0.0, 50: 0.1, 100: 0.2, FAR: 0.2}),
    (spec(**WD, wd_incr_style="cosine"), {0: 0.0, 50: 0.1, 100: 0.2}),
    (spec(**WD, wd_incr_style="linear", param_group={"end_wd": 0.4, "wd_mult": 0.5}), {50: 0.1, 100: 0.2}),
    (spec(**WD, wd_incr_style="linear", increment=50), {1: 0.1, 2: 0.2, 3: 0.2}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=str)
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


@pytest.mark.parametrize("given", [spec(lr_decay_style="nope"), wsd("nope", 100)])
def test_an_unknown_style_fails_where_megatron_does(given: Json) -> None:
    gives(given, {5: 0.5, 10: 1.0})
    with pytest.raises(Invalid, match="11"):
        values(given, 20)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec(lr_warmup_steps=110), "lr_decay_steps"),
        (spec(lr_decay_steps=0), "lr_decay_steps"),
        (spec(min_lr=-0.1), "min_lr"),
        (spec(min_lr=2.0), "min_lr"),
        (spec(init_lr=2.0), "init_lr"),
        (spec(lr_decay_style="WSD"), "wsd_decay_steps"),
        (spec(lr_decay_style="nope", lr_warmup_steps=0), "lr_decay_style"),
        (wsd("nope", 200, lr_warmup_steps=0), "lr_wsd_decay_style"),
        (spec(start_wd=0.2), "end_wd"),
        (spec(end_wd=0.2), "start_wd"),
        (spec(param_group={"end_wd": 0.2}), "end_wd"),
        (spec(wd_incr_style="sqrt"), "wd_incr_style"),
        (spec(wd_incr_style="linear", wd_incr_steps=0), "wd_incr_steps"),
        (spec(override_opt_param_scheduler=True), "override_opt_param_scheduler"),
        (spec(increment=0), "increment"),
        (spec(param_group={"lr": 1.0}), "param_group"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)
