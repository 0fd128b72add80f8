"""Each pitfall that a spec can show is warned of, where it is, and a sound spec gets no warning."""

from importlib import import_module
from typing import Any

import pytest

from app.control.schedules import explain
from app.schedules import CompiledPlan, compile_plan, pitfalls
from schemas.evaluate import Explain
from schemas.plans import Plan

COSINE = {"kind": "ramp", "shape": "cosine", "start": 0.1, "end": 0.001, "steps": 100}
ONE = {"kind": "constant", "value": 0.1}
MEGATRON: dict[str, Any] = {
    "kind": "megatron.OptimizerParamScheduler",
    "init_lr": 0.0,
    "max_lr": 0.1,
    "min_lr": 0.01,
    "lr_warmup_steps": 10,
    "lr_decay_steps": 1000,
    "lr_decay_style": "cosine",
    "start_wd": 0.1,
    "end_wd": 0.1,
    "wd_incr_steps": 1,
    "wd_incr_style": "constant",
}


def warned(schedule: Any, **lengths: Any) -> list[tuple[str, str]]:
    answer = explain(Explain.model_validate({"schedule": schedule, **lengths}))
    return [(warning["code"], warning["pointer"]) for warning in answer["warnings"]]


@pytest.mark.parametrize(
    ("schedule", "lengths", "warnings"),
    [
        (COSINE, {"total_steps": 100}, []),
        (COSINE, {}, []),
        (ONE, {"total_steps": 100}, []),
        (
            {"kind": "warmup_cosine", "peak": 0.1, "start": 0.01, "warmup_steps": "5%", "decay_steps": "95%"},
            {"total_steps": 1000},
            [],
        ),
        ({"kind": "cyclic", "low": 0.1, "high": 0.5, "up_steps": 10}, {"total_steps": 100}, []),
        ({"kind": "repeat", "of": COSINE, "steps": 100, "growth": 2.0}, {"total_steps": 700}, []),
        ({"kind": "warmup", "steps": 10, "then": COSINE}, {"total_steps": 110}, [("starts-at-zero", "/schedule")]),
        ({**COSINE, "end": -0.1}, {"total_steps": 100}, [("negative", "/schedule")]),
        ({**COSINE, "past": "continue"}, {"total_steps": 150}, [("rises-again", "/schedule")]),
        (COSINE, {"total_steps": 60}, [("end-never-comes", "/schedule")]),
        (COSINE, {"total_steps": 1000}, [("ends-early", "/schedule")]),
        (
            COSINE,
            {"total_steps": 5000, "steps_per_epoch": 50.0},
            [("ends-early", "/schedule"), ("looks-like-epochs", "/schedule")],
        ),
        (
            {"kind": "warmup", "steps": 100, "start": 0.01, "then": ONE},
            {"total_steps": 100},
            [("warmup-longer-than-run", "/schedule")],
        ),
        (
            {"kind": "sequence", "phases": [{"schedule": ONE, "steps": 10}, {"schedule": {**ONE, "value": 0.2}}]},
            {"total_steps": 50},
            [("jump", "/schedule/phases/0")],
        ),
        (
            {"kind": "sequence", "phases": [{"schedule": ONE, "steps": 0}, {"schedule": ONE}]},
            {"total_steps": 50},
            [("skipped", "/schedule/phases/0")],
        ),
        (
            {"kind": "scale", "factor": 2.0, "of": {"kind": "repeat", "of": COSINE, "steps": 60}},
            {"total_steps": 120},
            [("cycle-cut", "/schedule/of")],
        ),
        (
            {
                "kind": "reduce_on_plateau",
                "of": ONE,
                "threshold_mode": "signed",
                "patience": 0,
                "patience_test": "equal",
            },
            {"total_steps": 9},
            [("signed-threshold", "/schedule"), ("reduces-on-improvement", "/schedule")],
        ),
        (
            {"kind": "clock", "of": COSINE, "to": 200, "end": 100},
            {"total_steps": 150},
            [("end-never-comes", "/schedule/of")],
        ),
        (
            {"kind": "clock", "of": COSINE, "from": 50, "at": 50, "to": 100, "end": 100, "held": True},
            {"total_steps": 90},
            [],
        ),
        (
            {"kind": "warmup", "steps": 0.05, "start": 0.01, "then": COSINE},
            {"total_steps": 100},
            [("below-one-step", "/schedule/steps")],
        ),
        (
            {"kind": "sequence", "phases": [{"schedule": ONE, "steps": 0.5}, {"schedule": COSINE}]},
            {"total_steps": 100},
            [("below-one-step", "/schedule/phases/0/steps")],
        ),
        (
            {"kind": "piecewise", "boundaries": [0.3, 60], "values": [0.1, 0.2, 0.3]},
            {"total_steps": 100},
            [("below-one-step", "/schedule/boundaries/0")],
        ),
        ({**ONE, "value": 0.0}, {"total_steps": 100}, [("always-zero", "/schedule")]),
        ({**ONE, "value": 0.0}, {}, [("always-zero", "/schedule")]),
        (
            {"kind": "warmup", "steps": "100%", "then": {**COSINE, "end": 0, "steps": "0%"}},
            {"total_steps": 300},
            [("always-zero", "/schedule")],
        ),
        (
            {"kind": "torch.MultiStepLR", "base_lr": 1e-5, "milestones": [210_000, 250_000]},
            {"total_steps": 2000},
            [("never-changes", "/schedule")],
        ),
        (
            {"kind": "warmup", "steps": 300, "start": 0.01, "then": COSINE},
            {"total_steps": 100},
            [("warmup-longer-than-run", "/schedule")],
        ),
        (
            {"kind": "reduce_on_plateau", "of": {**COSINE, "steps": 40}, "metric": "loss"},
            {"total_steps": 100},
            [("ends-early", "/schedule/of")],
        ),
    ],
    ids=lambda case: str(case)[:90],
)
def test_warnings(schedule: Any, lengths: Any, warnings: list[tuple[str, str]]) -> None:
    assert warned(schedule, **lengths) == warnings


@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "exponential", "start": 0.1, "rate": 1.0, "steps": 5e-324, "staircase": True},
        {"kind": "cyclic", "low": 0.1, "high": 0.2, "up_steps": 5e-324},
        {"kind": "repeat", "of": COSINE, "steps": 1e-300, "growth": 2.0},
        {"kind": "clock", "of": COSINE, "to": 5e-324, "end": 100},
    ],
    ids=str,
)
def test_cycles_without_number_in_a_step_are_no_trap(schedule: Any) -> None:
    lengths = {"total_steps": 50, "steps_per_epoch": 5.0}
    answer = explain(Explain.model_validate({"schedule": schedule, **lengths}))
    assert answer["steps"]["stop"] == 50


WARMUPS = [
    {"kind": "deepspeed.WarmupDecayLR", "total_num_steps": 1000, "warmup_num_steps": 10, "warmup_max_lr": 0.1},
    {"kind": "deepspeed.WarmupCosineLR", "total_num_steps": 1000, "warmup_num_steps": 100, "base_lr": 0.1},
    MEGATRON,
    {**MEGATRON, "lr_decay_style": "linear", "lr_warmup_steps": 1},
    {**MEGATRON, "lr_decay_style": "inverse-square-root"},
    {**MEGATRON, "lr_decay_style": "WSD", "wsd_decay_steps": 200, "lr_wsd_decay_style": "minus_sqrt"},
    {"kind": "nemo.CosineAnnealing", "max_steps": 1000, "warmup_steps": 10, "min_lr": 0.001, "base_lr": 0.1},
    {"kind": "nemo.SquareAnnealing", "max_steps": 1000, "warmup_steps": 10, "base_lr": 0.1},
    {"kind": "nemo.WarmupHoldAnnealLinear", "max_steps": 1000, "warmup_steps": 10, "hold_steps": 500, "base_lr": 0.1},
    {"kind": "torchtitan.LRSchedulersContainer", "training_steps": 1000, "warmup_steps": 10, "base_lr": 0.1},
    {"kind": "torchtitan.LRSchedulersContainer", "training_steps": 1000, "decay_ratio": 0.3, "base_lr": 0.1},
    {"kind": "timm.CosineLRScheduler", "t_initial": 990, "warmup_t": 10, "warmup_prefix": True, "base_lr": 0.1},
    {"kind": "fairseq.polynomial_decay", "lr": 0.1, "warmup_updates": 10, "total_num_update": 1000},
    {"kind": "keras.CosineDecay", "initial_learning_rate": 0.01, "decay_steps": 990, "warmup_target": 0.1}
    | {"warmup_steps": 10},
]


@pytest.mark.parametrize("schedule", WARMUPS, ids=str)
def test_what_leads_on_is_no_jump(schedule: Any) -> None:
    """A library that counts its steps from 1 leads on as well as one that counts from 0."""
    assert {code for code, _ in warned(schedule, total_steps=1000)} <= {"starts-at-zero"}


DROPS = [
    {"kind": "nemo.SquareRootAnnealing", "max_steps": 1000, "warmup_steps": 200, "base_lr": 0.1},
    {"kind": "transformers.warmup_stable_decay", "num_warmup_steps": 600, "num_training_steps": 1000, "base_lr": 0.1}
    | {"scheduler_specific_kwargs": {"num_decay_steps": 700}},
    {"kind": "timm.StepLRScheduler", "decay_t": 100, "decay_rate": 0.5, "warmup_t": 300, "base_lr": 0.1}
    | {"warmup_prefix": False},
]


@pytest.mark.parametrize("schedule", DROPS, ids=str)
def test_what_does_not_lead_on_is_a_jump(schedule: Any) -> None:
    assert "jump" in {code for code, _ in warned(schedule, total_steps=1000)}


@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "composer.CosineAnnealingWarmRestartsScheduler", "t_0": "100ba", "t_mult": 1.5, "base_lr": 0.1},
        {"kind": "fairseq.fixed", "lr": [0.1, 0.05], "force_anneal": 3, "steps_per_epoch": 100, "lr_shrink": 0.1},
    ],
    ids=str,
)
def test_restarts_and_stairs_of_a_library_are_meant(schedule: Any) -> None:
    assert warned(schedule, total_steps=1000) == []


@pytest.mark.parametrize("steps", [10**3, 10**6, 10**9, 2**53])
def test_a_run_of_any_length_is_warned_of_the_same(steps: int) -> None:
    cosine = {**COSINE, "past": "continue", "steps": steps // 2}
    plan = {"tracks": {"lr": cosine, "weight_decay": {**ONE, "value": 0.0}}, "total_steps": steps}
    found = pitfalls(Plan.model_validate(plan))
    assert [(warning.code, warning.pointer) for warning in found] == [("rises-again", "/tracks/lr")]


def test_a_preset_is_warned_of_once() -> None:
    cycle = {"kind": "torch.OneCycleLR", "max_lr": 0.1, "total_steps": 500}
    found = pitfalls(Plan.model_validate({"preset": cycle, "total_steps": 1000}))
    assert [(warning.code, warning.pointer) for warning in found] == [("past-the-end", "/preset")]


@pytest.mark.parametrize("name", ["weight_decay", "momentum", "mix/web"])
def test_only_a_rate_of_0_is_worth_a_word(name: str) -> None:
    plan = {"tracks": {name: {**ONE, "value": 0.0}, "a/lr": {**ONE, "value": 0.0}}, "total_steps": 10}
    found = pitfalls(Plan.model_validate(plan))
    assert [(warning.code, warning.pointer) for warning in found] == [("always-zero", "/tracks/a~1lr")]


def test_a_plan_is_explained_by_track() -> None:
    plan = {"tracks": {"a/lr": COSINE, "b/lr": {"kind": "track", "of": "a/lr", "factor": 2.0}}, "total_steps": 60}
    answer = explain(Explain.model_validate({"plan": plan}))
    assert answer["derived"] == {"b/lr": {"of": "a/lr", "times": 2.0}}
    assert list(answer["tracks"]) == ["a/lr"]
    (warning,) = answer["tracks"]["a/lr"]["warnings"]
    assert warning["pointer"] == "/plan/tracks/a~1lr"


def test_the_lowered_form_is_native_and_gives_the_same() -> None:
    wsd = {"kind": "wsd", "peak": 0.1, "warmup_steps": "10%", "stable_steps": "70%", "decay_steps": "20%"}
    answer = explain(Explain.model_validate({"schedule": wsd, "total_steps": 50}))
    again = explain(Explain.model_validate({"schedule": answer["lowered"], "total_steps": 50}))
    assert again["lowered"] == answer["lowered"]
    assert again["segments"] == answer["segments"]
    assert [phase.get("steps") for phase in answer["lowered"]["phases"]] == [5, 35, None]


def test_a_plan_is_compiled_once_however_many_tracks_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """To find a compiled plan takes writing the whole of it: done for each of 64 tracks of 4,000, half a second."""
    compiled: list[Plan] = []

    def counted(plan: Plan) -> CompiledPlan:
        compiled.append(plan)
        return compile_plan(plan)

    monkeypatch.setattr(import_module("app.schedules.pitfalls"), "compile_plan", counted)
    ramp = {"kind": "ramp", "start": 1.0, "end": 0.0, "steps": 50}
    plan = Plan.model_validate({"tracks": {f"{index}/lr": ramp for index in range(8)}, "total_steps": 100})
    assert len(pitfalls(plan)) == 8
    assert len(compiled) == 1
