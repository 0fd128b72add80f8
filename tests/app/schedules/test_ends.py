"""How curves end, by the values of the run alone: in whose names they are written does not matter."""

from typing import Any

import pytest

from app.schedules.compiled import compile_plan
from app.schedules.ends import ends, in_epochs, zeros
from app.schedules.look import look
from schemas.plans import Plan

LINE = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 1000}
COSINE = {**LINE, "shape": "cosine", "past": "continue"}
ONE = {"kind": "constant", "value": 1.0}
HF = {"base_lr": 1.0, "num_warmup_steps": 100, "num_training_steps": 1000}
MEGATRON: dict[str, Any] = {
    "kind": "megatron.OptimizerParamScheduler",
    "init_lr": 0.0,
    "max_lr": 1.0,
    "min_lr": 0.1,
    "lr_warmup_steps": 100,
    "lr_decay_steps": 1000,
    "lr_decay_style": "cosine",
    "start_wd": 0.1,
    "end_wd": 0.1,
    "wd_incr_steps": 1,
    "wd_incr_style": "constant",
}
FAIRSEQ = {"kind": "fairseq.polynomial_decay", "lr": 1.0, "warmup_updates": 100, "total_num_update": 1000}
NEMO = {"kind": "nemo.WarmupHoldAnnealLinear", "base_lr": 1.0, "warmup_steps": 100, "hold_steps": 400}
TIMM = {"kind": "timm.CosineLRScheduler", "base_lr": 1.0, "t_initial": 1000, "lr_min": 0.1}
WSD = {"num_decay_steps": 200}
OPTAX = {"kind": "optax.cosine_onecycle_schedule", "transition_steps": 1000, "peak_value": 1.0}
DETECTRON = {
    "kind": "fvcore.CompositeParamScheduler",
    "schedulers": [
        {"kind": "fvcore.LinearParamScheduler", "start_value": 0.001, "end_value": 0.1},
        {"kind": "fvcore.CosineParamScheduler", "start_value": 0.1, "end_value": 0.0},
    ],
    "lengths": [0.1, 0.9],
    "interval_scaling": ["rescaled", "fixed"],
    "num_updates": 1000,
}
ANNEALED = [
    LINE,
    {"kind": "transformers.linear", **HF},
    {"kind": "transformers.polynomial", **HF},
    {"kind": "transformers.cosine_with_restarts", **HF, "scheduler_specific_kwargs": {"num_cycles": 3}},
    {"kind": "transformers.warmup_stable_decay", **HF, "scheduler_specific_kwargs": WSD},
    MEGATRON,
    FAIRSEQ,
    NEMO | {"max_steps": 1000},
    TIMM,
    OPTAX,
    {"kind": "keras.CosineDecay", "initial_learning_rate": 1.0, "decay_steps": 1000},
    {"kind": "deepspeed.WarmupDecayLR", "warmup_num_steps": 10, "total_num_steps": 1000, "warmup_max_lr": 0.1},
    {"kind": "torch.PolynomialLR", "base_lr": 1.0, "total_iters": 1000},
]
WAVING = [
    COSINE,
    {"kind": "transformers.cosine", **HF},
    {"kind": "transformers.cosine", **HF, "scheduler_specific_kwargs": {"num_cycles": 1.5}},
    {"kind": "torch.CosineAnnealingLR", "base_lr": 1.0, "T_max": 1000},
    DETECTRON,
]
SOUND = [
    (ONE, 1000),
    ({"kind": "torch.StepLR", "base_lr": 1.0, "step_size": 300}, 1000),
    ({"kind": "torch.MultiStepLR", "base_lr": 1.0, "milestones": [300, 600]}, 1000),
    ({"kind": "torch.ExponentialLR", "base_lr": 1.0, "gamma": 0.9}, 1_000_000),
    ({"kind": "torch.LinearLR", "base_lr": 1.0, "total_iters": 100}, 1000),
    ({"kind": "torch.CyclicLR", "base_lr": 0.1, "max_lr": 1.0, "step_size_up": 30}, 1000),
    ({"kind": "torch.CosineAnnealingWarmRestarts", "base_lr": 1.0, "T_0": 300, "T_mult": 2}, 1000),
    ({"kind": "transformers.inverse_sqrt", "base_lr": 1.0, "num_warmup_steps": 100}, 1000),
    ({"kind": "transformers.constant_with_warmup", "base_lr": 1.0, "num_warmup_steps": 100}, 1000),
    ({"kind": "composer.CosineAnnealingWarmRestartsScheduler", "t_0": "100ba", "t_mult": 1.5, "base_lr": 1.0}, 1000),
    ({"kind": "clamp", "of": {"kind": "exponential", "start": 1.0, "rate": 0.99}, "min": 0.01}, 1000),
    ({"kind": "clamp", "of": {"kind": "exponential", "start": 1.0, "rate": 0.99}, "min": 0.01}, 300),
    ({"kind": "sum", "of": [ONE, {"kind": "exponential", "start": 1.0, "rate": 0.9}]}, 1000),
    ({"kind": "sequence", "phases": [{"schedule": LINE, "steps": 800}, {"schedule": {**ONE, "value": 0.2}}]}, 1000),
    ({"kind": "iterate", "start": 1.0, "update": "value * 0.999"}, 1000),
]


def codes(schedule: dict[str, Any], stop: int, start: int = 0, track: str = "lr") -> list[tuple[str, str]]:
    plan = Plan.model_validate({"tracks": {track: schedule}})
    seen = look(compile_plan(plan), track, start, stop)
    assert seen is not None
    return [(warning.code, warning.pointer) for warning in ends(plan.tracks[track], seen)]


@pytest.mark.parametrize("schedule", [*ANNEALED, *WAVING], ids=str)
def test_at_its_own_length_nothing_is_wrong(schedule: dict[str, Any]) -> None:
    for steps in (995, 1000, 1005):
        assert codes(schedule, steps) == []


@pytest.mark.parametrize("schedule", [*ANNEALED, *WAVING], ids=str)
def test_a_run_too_short(schedule: dict[str, Any]) -> None:
    for steps in (300, 950):
        assert codes(schedule, steps) == [("end-never-comes", "")]


@pytest.mark.parametrize("schedule", ANNEALED, ids=str)
def test_a_run_too_long(schedule: dict[str, Any]) -> None:
    for steps in (1053, 3000, 10**9):
        assert codes(schedule, steps) == [("ends-early", "")]


@pytest.mark.parametrize("schedule", WAVING, ids=str)
def test_a_cosine_that_comes_back(schedule: dict[str, Any]) -> None:
    assert codes(schedule, 1300) == [("rises-again", "")]


@pytest.mark.parametrize(("schedule", "steps"), SOUND, ids=str)
def test_what_has_no_end_or_is_meant_to_last(schedule: dict[str, Any], steps: int) -> None:
    assert codes(schedule, steps) == []


@pytest.mark.parametrize(
    ("schedule", "steps", "warned"),
    [
        ({"kind": "torch.MultiStepLR", "base_lr": 1.0, "milestones": [300, 600]}, 200, "never-changes"),
        ({"kind": "torch.MultiStepLR", "base_lr": 1.0, "milestones": [300, 600]}, 300, "never-changes"),
        ({"kind": "torch.MultiStepLR", "base_lr": 1.0, "milestones": [300, 600]}, 400, "end-never-comes"),
        ({"kind": "torch.StepLR", "base_lr": 1.0, "step_size": 300}, 200, "never-changes"),
        ({"kind": "torch.CosineAnnealingWarmRestarts", "base_lr": 1.0, "T_0": 300}, 200, "end-never-comes"),
        ({"kind": "formula", "expression": "where(step < 5e11, 2, 1)"}, 1000, "never-changes"),
    ],
    ids=str,
)
def test_what_lies_beyond_the_run(schedule: dict[str, Any], steps: int, warned: str) -> None:
    assert codes(schedule, steps) == [(warned, "")]


def test_the_part_that_ends_is_pointed_at() -> None:
    sequence = {"kind": "sequence", "phases": [{"schedule": ONE, "steps": 100}, {"schedule": LINE}]}
    assert codes(sequence, 3000) == [("ends-early", "/phases/1/schedule")]
    warmed = {"kind": "warmup", "steps": 100, "then": {"kind": "scale", "factor": 2.0, "of": LINE}}
    assert codes(warmed, 500) == [("end-never-comes", "/then/of")]
    late = {"kind": "clock", "of": LINE, "from": 500, "at": 0, "to": 501, "end": 1}
    assert codes(late, 1200) == [("end-never-comes", "/of")]


def test_from_a_later_step_only_what_comes_counts() -> None:
    assert codes(LINE, 3000, start=1500) == []
    assert codes(LINE, 3000, start=900) == [("ends-early", "")]


@pytest.mark.parametrize(
    ("schedule", "found"),
    [
        ({**ONE, "value": 0.0}, ["always-zero"]),
        ({"kind": "warmup", "steps": 9, "then": ONE}, ["starts-at-zero"]),
        (LINE, []),
    ],
)
def test_zeros(schedule: dict[str, Any], found: list[str]) -> None:
    seen = look(compile_plan(Plan.model_validate({"tracks": {"lr": schedule}})), "lr", 0, 100)
    assert seen is not None
    assert [warning.code for warning in zeros(seen)] == found


@pytest.mark.parametrize(
    ("schedule", "found"),
    [
        ({"kind": "torch.MultiStepLR", "base_lr": 1.0, "milestones": [30, 60, 80]}, True),
        ({"kind": "torch.CosineAnnealingLR", "base_lr": 1.0, "T_max": 90}, True),
        ({"kind": "transformers.linear", **HF, "num_training_steps": 90, "num_warmup_steps": 5}, True),
        ({"kind": "torch.MultiStepLR", "base_lr": 1.0, "milestones": [3000, 6000, 8000]}, False),
        ({"kind": "transformers.constant_with_warmup", "base_lr": 1.0, "num_warmup_steps": 90}, False),
        (ONE, False),
    ],
    ids=str,
)
def test_epochs(schedule: dict[str, Any], found: bool) -> None:
    """A run of 90 epochs of 100 steps."""
    seen = look(compile_plan(Plan.model_validate({"tracks": {"lr": schedule}})), "lr", 0, 9000)
    assert seen is not None
    assert [warning.code for warning in in_epochs(seen, 100.0)] == ["looks-like-epochs"] * found
    assert list(in_epochs(seen, 1.0)) == []
