"""diffusers: what is its own beside transformers' formulas; the reference vectors hold the rest."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, refused

Json = dict[str, Any]


def spec(name: str, **fields: Any) -> Json:
    return {"kind": f"diffusers.{name}", "base_lr": 2.0, **fields}


RUN = {"num_warmup_steps": 10, "num_training_steps": 110}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (spec("constant"), {0: 2.0, FAR: 2.0}),
        (spec("constant_with_warmup", num_warmup_steps=4), {0: 0.0, 1: 0.5, 4: 2.0, FAR: 2.0}),
        (spec("piecewise_constant", step_rules="1:10,0.1:20,0.005"), {0: 2.0, 9: 2.0, 10: 0.2, 20: 0.01, FAR: 0.01}),
        (spec("piecewise_constant", step_rules="0.1:20,1:10,0.5"), {0: 2.0, 10: 0.2, 20: 1.0}),
        (spec("linear", **RUN, f_max=0.5, f_min=0.1), {0: 0.0, 5: 0.5, 10: 1.0, 60: 0.6, 110: 0.2, FAR: 0.2}),
        (spec("cosine", **RUN), {5: 1.0, 35: 1 + cos(pi / 4), 60: 1.0, 110: 0.0, 210: 2.0}),
        (spec("cosine_with_restarts", **RUN, num_cycles=2), {10: 2.0, 35: 1.0, 60: 2.0, 110: 0.0, FAR: 0.0}),
        (spec("polynomial", **RUN, power=2.0, lr_end=1.0), {5: 1.0, 10: 2.0, 60: 1.25, 110: 1.0, FAR: 1.0}),
    ],
    ids=lambda value: value.get("kind"),
)
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec("piecewise_constant", step_rules="1:10;0.1"), "step_rules"),
        (spec("polynomial", **RUN, lr_end=3.0), "lr_end"),
        (spec("linear", num_warmup_steps=10), "num_training_steps"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)
