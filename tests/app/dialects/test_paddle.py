"""paddle's schedulers: values from independent formulas, edges, and what is refused."""

from math import cos, exp, pi, sqrt
from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, refused, warned
from tests.oracles.compare import values

Json = dict[str, Any]


def spec(name: str, **fields: Any) -> Json:
    return {"kind": f"paddle.{name}", **fields}


def warmed(then: Any, **fields: Any) -> Json:
    return spec("LinearWarmup", **{"warmup_steps": 10, "start_lr": 0.0, "end_lr": 0.5} | fields, learning_rate=then)


def one(name: str, **fields: Any) -> Json:
    return spec(name, learning_rate=1.0, **fields)


COSINE = one("CosineAnnealingDecay", T_max=40)
RESTARTS = one("CosineAnnealingWarmRestarts", T_0=1, T_mult=3)

VALUES: list[tuple[Json, dict[int, float]]] = [
    (spec("NoamDecay", d_model=4, warmup_steps=16), {0: 0.0, 8: 0.0625, 16: 0.125, 64: 0.0625}),
    (spec("NoamDecay", d_model=4, warmup_steps=1), {0: 0.0, 1: 0.5, 4: 0.25}),
    (spec("PiecewiseDecay", boundaries=[3, 6], values=[0.3, 0.2, 0.1]), {2: 0.3, 3: 0.2, 6: 0.1, FAR: 0.1}),
    (spec("PiecewiseDecay", boundaries=[6, 3], values=[0.3, 0.2, 0.1, 0.05]), {5: 0.3, 6: 0.05}),
    (one("NaturalExpDecay", gamma=0.1), {0: 1.0, 10: exp(-1), 100: exp(-10), FAR: 0.0}),
    (one("InverseTimeDecay", gamma=0.5), {0: 1.0, 2: 0.5, 18: 0.1}),
    (one("PolynomialDecay", decay_steps=20, end_lr=0.2, power=2.0), {10: 0.4, 20: 0.2, FAR: 0.2}),
    (one("PolynomialDecay", decay_steps=20, end_lr=0.0, cycle=True), {0: 1.0, 20: 0.0, 21: 1 - 21 / 40, 40: 0.0}),
    (warmed(0.3), {0: 0.0, 5: 0.25, 9: 0.45, 10: 0.3, FAR: 0.3}),
    (warmed(COSINE), {5: 0.25, 10: 1.0, 30: 0.5, 50: 0.0}),
    (warmed({"kind": "constant", "value": 0.2}), {10: 0.2}),
    (warmed(warmed(0.3, warmup_steps=4)), {10: 0.0, 12: 0.25, 14: 0.3}),
    (one("ExponentialDecay", gamma=0.5), {0: 1.0, 3: 0.125, FAR: 0.0}),
    (one("MultiStepDecay", milestones=[3, 6], gamma=0.5), {2: 1.0, 3: 0.5, 6: 0.25}),
    (one("MultiStepDecay", milestones=[0]), {0: 0.1}),
    (one("StepDecay", step_size=5, gamma=0.5), {4: 1.0, 5: 0.5, 10: 0.25}),
    (one("LambdaDecay", lr_lambda="lambda n: 1 / (n + 1)"), {0: 1.0, 3: 0.25}),
    (one("MultiplicativeDecay", lr_lambda="x / (x + 1)"), {0: 1.0, 3: 0.25}),
    (COSINE, {20: 0.5, 40: 0.0, 80: 1.0}),
    (RESTARTS, {1: 1.0, 4: 1.0, 40: 1.0, 121: 1.0}),
    (one("LinearLR", total_steps=4, start_factor=0.5), {0: 0.5, 2: 0.75, 4: 1.0, FAR: 1.0}),
    (spec("OneCycleLR", max_learning_rate=1.0, total_steps=101, phase_pct=0.5), {0: 0.04, 100: 1e-4}),
    (spec("OneCycleLR", max_learning_rate=1.0, total_steps=8, phase_pct=0.25, end_learning_rate=0.0), {1: 1.0, 7: 0.0}),
    (spec("CyclicLR", base_learning_rate=0.1, max_learning_rate=0.5, step_size_up=4), {2: 0.3, 4: 0.5, 8: 0.1}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


def test_restarts_inside_a_warm_up_follow_the_logarithm() -> None:
    """Told the step, paddle takes log(243, 3) for 4.99..., so step 121 still ends the fourth cycle."""
    gives(warmed(RESTARTS), {10: 1.0, 11: 1.0, 14: 1.0, 131: 0.0, 132: (1 + cos(pi / 243)) / 2})


@pytest.mark.parametrize("form", ["closed", "recursive"])
def test_both_forms(form: str) -> None:
    gives(COSINE | {"form": form}, {0: 1.0, 10: (1 + sqrt(0.5)) / 2, 40: 0.0, 60: 0.5})
    gives(one("LinearLR", total_steps=4, start_factor=0.5, form=form), {0: 0.5, 2: 0.75, 4: 1.0})
    assert values(warmed(COSINE | {"form": form}), [50]) == [0.0]


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (spec("NoamDecay", d_model=0, warmup_steps=16), "d_model"),
        (spec("NoamDecay", d_model=4, warmup_steps=0), "warmup_steps"),
        (spec("PiecewiseDecay", boundaries=[], values=[0.1]), "boundaries"),
        (spec("PiecewiseDecay", boundaries=[3, 6], values=[0.1, 0.2]), "values"),
        (one("NaturalExpDecay", gamma=0.0), "gamma"),
        (spec("ExponentialDecay", learning_rate=-1.0, gamma=0.5), "learning_rate"),
        (one("ExponentialDecay", gamma=1.0), "gamma"),
        (one("PolynomialDecay", decay_steps=0), "decay_steps"),
        (one("PolynomialDecay", decay_steps=3, power=0.0), "power"),
        (warmed(0.3, warmup_steps=0), "warmup_steps"),
        (warmed(0.3, start_lr=0.5), "end_lr"),
        (warmed("fast"), "learning_rate"),
        (one("MultiStepDecay", milestones=[6, 3]), "milestones"),
        (one("MultiStepDecay", milestones=[3], gamma=1.0), "gamma"),
        (one("StepDecay", step_size=2.5), "step_size"),
        (one("CosineAnnealingDecay", T_max=0), "T_max"),
        (one("CosineAnnealingWarmRestarts", T_0=3, T_mult=1.5), "T_mult"),
        (one("LinearLR", total_steps=0), "total_steps"),
        (spec("OneCycleLR", max_learning_rate=1.0, total_steps=10, phase_pct=1), "phase_pct"),
        (spec("OneCycleLR", max_learning_rate=1.0, total_steps=10, phase_pct=0.5, three_phase=True), "phase_pct"),
        (spec("OneCycleLR", max_learning_rate=1.0, total_steps=10, phase_pct=0.1), "phase_pct"),
        (spec("CyclicLR", base_learning_rate=0.1, max_learning_rate=0.5, step_size_up=0), "step_size_up"),
        (spec("CyclicLR", base_learning_rate=0.1, max_learning_rate=0.5, step_size_up=4, exp_gamma=1), "exp_gamma"),
        (spec("CyclicLR", base_learning_rate=0.1, max_learning_rate=0.5, step_size_up=4, mode="x"), "mode"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_one_cycle_keeps_its_last_value_where_paddle_raises(strategy: str) -> None:
    cycle = spec("OneCycleLR", max_learning_rate=1.0, total_steps=9, anneal_strategy=strategy)
    gives(cycle, {8: 1e-4, 10: 1e-4, FAR: 1e-4})
    below = ["negative"] if strategy == "linear" else []  # at the step that paddle computes by a formula that has ended
    warned(cycle, 9)
    warned(cycle, 10, *below)
    warned(cycle, 11, *below, "past-the-end")
    inside = spec("LinearWarmup", learning_rate=cycle, warmup_steps=5, start_lr=0.0, end_lr=0.04)
    warned(inside, 15, *below)
    warned(inside, 16, *below, "past-the-end")
