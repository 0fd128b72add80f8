"""torch's schedulers: values from independent formulas, edges, and what is refused."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import FAR, gives, refused, warned
from tests.oracles.compare import values

Json = dict[str, Any]
LR = {"base_lr": 0.1}

WARMUP = {"kind": "torch.LinearLR", "start_factor": 0.1, "total_iters": 10}
COSINE = {"kind": "torch.CosineAnnealingLR", "T_max": 90}
HALVES = {"kind": "torch.MultiplicativeLR", "lr_lambda": "0.5"}
DECAY = {"kind": "torch.ExponentialLR", "gamma": 0.9}
CYCLE = {"kind": "torch.OneCycleLR", "max_lr": 1.0, "total_steps": 9}
INVERSE = {"kind": "torch.LambdaLR", "lr_lambda": "1 / (epoch + 1)"}


def spec(kind: str, **fields: Any) -> Json:
    return {"kind": f"torch.{kind}", **LR, **fields}


VALUES: list[tuple[Json, dict[int, float]]] = [
    (spec("LambdaLR", lr_lambda="0.95 ** epoch"), {0: 0.1, 2: 0.1 * 0.95**2}),
    (spec("LambdaLR", lr_lambda="lambda e: math.cos(e / 10)"), {0: 0.1, 7: 0.1 * cos(0.7)}),
    (spec("LambdaLR", lr_lambda=["1", "epoch"], base_lr=[0.1, 0.2], group=1), {0: 0.0, 3: 0.6}),
    (spec("MultiplicativeLR", lr_lambda="epoch / (epoch + 1)"), {0: 0.1, 1: 0.05, 9: 0.01}),
    (spec("StepLR", step_size=30), {0: 0.1, 29: 0.1, 30: 0.01, 60: 0.001, FAR: 0.0}),
    (spec("StepLR", step_size=1, gamma=0.0), {0: 0.1, 1: 0.0, FAR: 0.0}),
    (spec("MultiStepLR", milestones=[]), {0: 0.1, FAR: 0.1}),
    (spec("MultiStepLR", milestones=[20, 0, 10, 10], gamma=0.5), {0: 0.05, 9: 0.05, 10: 0.0125, 20: 0.00625}),
    (spec("ConstantLR", factor=0.3, total_iters=1), {0: 0.03, 1: 0.1, FAR: 0.1}),
    (spec("ConstantLR", factor=0.3, total_iters=0), {0: 0.1, 5: 0.1}),
    (spec("ConstantLR", factor=0.3, total_iters=0, form="recursive"), {0: 0.03, 5: 0.03}),
    (spec("LinearLR", end_factor=0.0, start_factor=1.0, total_iters=4), {0: 0.1, 1: 0.075, 4: 0.0, FAR: 0.0}),
    (spec("LinearLR", start_factor=0.25, total_iters=0, form="recursive"), {0: 0.025, 9: 0.025}),
    (spec("ExponentialLR", gamma=0.5), {0: 0.1, 10: 0.1 / 1024, FAR: 0.0}),
    (spec("ExponentialLR", gamma=-0.5), {0: 0.1, 1: -0.05, 2: 0.025}),
    (spec("PolynomialLR", total_iters=10, power=2), {0: 0.1, 5: 0.025, 10: 0.0, FAR: 0.0}),
    (spec("PolynomialLR", total_iters=10, power=0), {0: 0.1, 10: 0.1}),
    (spec("CosineAnnealingLR", T_max=10, eta_min=0.02), {0: 0.1, 5: 0.06, 10: 0.02, 20: 0.1, 1005: 0.06}),
    (spec("CosineAnnealingLR", T_max=1), {0: 0.1, 1: 0.0, 2: 0.1, 3: 0.0}),
    (spec("CosineAnnealingWarmRestarts", T_0=10, T_mult=2), {5: 0.05, 10: 0.1, 20: 0.05, 30: 0.1, 50: 0.05}),
    (spec("CyclicLR", base_lr=0.1, max_lr=0.5, step_size_up=4), {0: 0.1, 2: 0.3, 4: 0.5, 6: 0.3, 8: 0.1, 12: 0.5}),
    (spec("CyclicLR", max_lr=0.5, step_size_up=4, step_size_down=0), {0: 0.1, 3: 0.4, 4: 0.1}),
    (spec("CyclicLR", max_lr=0.5, step_size_up=4, mode="triangular2"), {4: 0.5, 12: 0.3, 20: 0.2}),
    (spec("CyclicLR", max_lr=0.5, step_size_up=4, quantity="momentum"), {0: 0.9, 2: 0.85, 4: 0.8}),
    (spec("CyclicLR", max_lr=0.5, step_size_up=4, scale_fn="1 / x", scale_mode="cycle", mode="?"), {4: 0.5, 12: 0.3}),
    (spec("OneCycleLR", max_lr=1.0, total_steps=101, pct_start=0.5), {0: 0.04, 100: 4e-6}),
    (spec("OneCycleLR", max_lr=1.0, total_steps=1), {0: 4e-6}),
    (spec("OneCycleLR", max_lr=1.0, epochs=5, steps_per_epoch=20, quantity="momentum"), {0: 0.95, 29: 0.85, 99: 0.95}),
    (
        spec("OneCycleLR", max_lr=1.0, total_steps=21, pct_start=10 / 21, three_phase=True, anneal_strategy="linear"),
        {0: 0.04, 9: 1.0, 18: 0.04},
    ),
    (
        spec("SequentialLR", schedulers=[WARMUP, COSINE], milestones=[10]),
        {0: 0.01, 5: 0.055, 9: 0.091, 10: 0.1, 55: 0.05, 100: 0.0, 190: 0.1},
    ),
    (spec("SequentialLR", schedulers=[WARMUP, COSINE], milestones=[0]), {0: 0.1, 45: 0.05, 90: 0.0}),
    (spec("SequentialLR", schedulers=[WARMUP, HALVES], milestones=[5]), {4: 0.046, 5: 0.023, 6: 0.0115}),
    (spec("SequentialLR", schedulers=[WARMUP, CYCLE], milestones=[10]), {0: 0.004, 9: 0.04 * 0.91, 10: 0.04}),
    (spec("ChainedScheduler", schedulers=[WARMUP, DECAY]), {0: 0.01, 10: 0.1 * 0.9**10, 99: 0.1 * 0.9**99, FAR: 0.0}),
    (spec("ChainedScheduler", schedulers=[DECAY, INVERSE]), {0: 0.1, 1: 0.05, 9: 0.01}),
    (spec("ChainedScheduler", schedulers=[INVERSE, DECAY]), {0: 0.1, 1: 0.05 * 0.9, 9: 0.01 * 0.9}),
    ({"kind": "torch.Adagrad.lr_decay", "lr": 0.1, "lr_decay": 0.5}, {0: 0.1, 2: 0.05, 18: 0.01}),
]


@pytest.mark.parametrize(("given", "expected"), VALUES, ids=lambda value: value.get("kind"))
def test_values(given: Json, expected: dict[int, float]) -> None:
    gives(given, expected)


@pytest.mark.parametrize("form", ["closed", "recursive"])
def test_the_two_forms_agree_where_torch_does(form: str) -> None:
    gives(spec("CosineAnnealingLR", T_max=40, eta_min=0.01, form=form), {0: 0.1, 20: 0.055, 40: 0.01, 60: 0.055})
    gives(spec("PolynomialLR", total_iters=40, power=2, form=form), {0: 0.1, 20: 0.025, 40: 0.0, 50: 0.0})


def test_a_chained_cosine_goes_below_0_as_in_torch() -> None:
    members = [{"kind": "torch.ExponentialLR", "gamma": 0.97}, {**COSINE, "T_max": 40, "eta_min": 0.01}]
    assert min(values(spec("ChainedScheduler", schedulers=members), 200)) < 0


def test_a_nested_chain_begins_its_phase_where_torch_raises() -> None:
    chain = {"kind": "torch.ChainedScheduler", "schedulers": [{"kind": "torch.ExponentialLR", "gamma": 0.5}]}
    gives(spec("SequentialLR", schedulers=[WARMUP, chain], milestones=[10]), {10: 0.1, 12: 0.025})


def test_one_cycle_goes_on_for_one_step_beyond_its_end() -> None:
    rising = spec("OneCycleLR", max_lr=1.0, total_steps=100)
    falling = rising | {"anneal_strategy": "linear"}
    phase = pi * (100 - 29) / 70
    gives(rising, {100: 4e-6 + (1 - 4e-6) / 2 * (cos(phase) + 1)})
    assert values(falling, [100])[0] < 0


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"kind": "torch.StepLR", "step_size": 3}, "base_lr"),
        (spec("StepLR", step_size=0), "step_size"),
        (spec("StepLR", step_size=1.5), "step_size"),
        (spec("ConstantLR", factor=1.1), "factor"),
        (spec("LinearLR", start_factor=0.0), "start_factor"),
        (spec("LinearLR", end_factor=1.5), "end_factor"),
        (spec("LinearLR", total_iters=0), "total_iters"),
        (spec("PolynomialLR", total_iters=0), "total_iters"),
        (spec("CosineAnnealingLR", T_max=0), "T_max"),
        (spec("CosineAnnealingWarmRestarts", T_0=0), "T_0"),
        (spec("CosineAnnealingWarmRestarts", T_0=10.5), "T_0"),
        (spec("CosineAnnealingWarmRestarts", T_0=10, T_mult=0), "T_mult"),
        (spec("CyclicLR", max_lr=1.0, mode="square"), "mode"),
        (spec("CyclicLR", max_lr=1.0, cycle_momentum=False, quantity="momentum"), "cycle_momentum"),
        (spec("OneCycleLR", max_lr=1.0), "total_steps"),
        (spec("OneCycleLR", max_lr=1.0, total_steps=0), "total_steps"),
        (spec("OneCycleLR", max_lr=1.0, epochs=3), "steps_per_epoch"),
        (spec("OneCycleLR", max_lr=1.0, total_steps=10, pct_start=1), "pct_start"),
        (spec("OneCycleLR", max_lr=1.0, total_steps=10, pct_start=1.5), "pct_start"),
        (spec("OneCycleLR", max_lr=1.0, total_steps=10, pct_start=0.1), "pct_start"),
        (spec("OneCycleLR", max_lr=1.0, total_steps=10, anneal_strategy="exp"), "anneal_strategy"),
        (spec("SequentialLR", schedulers=[], milestones=[]), "schedulers"),
        (spec("SequentialLR", schedulers=[WARMUP, COSINE], milestones=[]), "milestones"),
        (spec("SequentialLR", schedulers=[WARMUP, {"kind": "constant", "value": 1.0}], milestones=[5]), "schedulers"),
        (spec("ChainedScheduler", schedulers=[WARMUP, {"kind": "torch.ReduceLROnPlateau"}]), "schedulers"),
        (spec("LambdaLR", lr_lambda=["1"], group=1), "lr_lambda"),
        ({"kind": "torch.Adagrad.lr_decay", "lr_decay": -1.0}, "lr_decay"),
    ],
)
def test_refusals_name_the_parameter(given: Json, parameter: str) -> None:
    refused(given, parameter)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize(("quantity", "last"), [("lr", 4e-6), ("momentum", 0.95)])
def test_one_cycle_keeps_its_last_value_where_torch_raises(strategy: str, quantity: str, last: float) -> None:
    cycle = {**CYCLE, "anneal_strategy": strategy, "quantity": quantity}
    gives(cycle, {8: last, 10: last, 11: last, FAR: last})
    assert values(cycle, [9]) != pytest.approx([last], rel=1e-3)


def test_a_run_beyond_what_torch_computes_is_warned_of() -> None:
    warned(CYCLE, 9)
    warned(CYCLE, 10)
    warned(CYCLE, 11, "past-the-end")
    series = spec("SequentialLR", schedulers=[CYCLE, WARMUP], milestones=[15])
    warned(series, 100, "past-the-end")
    warned({"kind": "scale", "factor": 0.5, "of": CYCLE}, 11, "past-the-end")
    warned({"kind": "clock", "of": CYCLE, "to": 20, "end": 10}, 20)
    warned({"kind": "clock", "of": CYCLE, "to": 20, "end": 10}, 21, "past-the-end")
    warned({"kind": "ignite.LRScheduler", "lr_scheduler": CYCLE, "base_lr": 0.1}, 11, "past-the-end")
    warned({"kind": "sequence", "phases": [{"schedule": CYCLE, "steps": 9}, {"schedule": CYCLE}]}, 19)
    warned({"kind": "sequence", "phases": [{"schedule": CYCLE, "steps": 11}, {"schedule": CYCLE}]}, 19, "past-the-end")


def test_a_series_that_leads_on_is_no_jump() -> None:
    warned(spec("SequentialLR", schedulers=[{**WARMUP, "total_iters": 9}, COSINE], milestones=[10]), 100)
    warned(spec("SequentialLR", schedulers=[{**WARMUP, "total_iters": 5}, DECAY], milestones=[2]), 50, "jump")
