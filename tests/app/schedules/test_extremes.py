"""A lowest value above the peak is found by any library's name for it, so is a passed peak, and sound ones are not."""

from typing import Any

import pytest

from app.schedules.compiled import compile_plan
from app.schedules.extremes import extremes
from app.schedules.look import look
from schemas.plans import Plan

HF = {"kind": "transformers.cosine_with_min_lr", "base_lr": 2e-5, "num_warmup_steps": 10, "num_training_steps": 100}
LINEAR = {"kind": "torch.LinearLR", "total_iters": 10}
TORCH = {"kind": "torch.CosineAnnealingLR", "T_max": 90}
DEEPSPEED = {"kind": "deepspeed.WarmupLR", "warmup_num_steps": 10, "warmup_max_lr": 1e-3}
SWIN = {
    "kind": "mmengine.param_scheduler",
    "base_lr": 0.001,
    "schedulers": [
        {"type": "LinearLR", "by_epoch": False, "start_factor": 0.001, "end": 20},
        {"type": "CosineAnnealingLR", "by_epoch": False, "eta_min": 1e-5, "begin": 20, "end": 100},
    ],
}
RANGE_TEST = {"kind": "deepspeed.LRRangeTest", "lr_range_test_min_lr": 0.1}
PLATEAU = {"kind": "torch.ReduceLROnPlateau", "base_lr": 0.1, "min_lr": 0.2}


def pointers(schedule: dict[str, Any]) -> list[str]:
    plan = Plan.model_validate({"tracks": {"lr": schedule}})
    seen = look(compile_plan(plan), "lr", 0, 100)
    assert seen is not None
    return [warning.pointer for warning in extremes(plan.tracks["lr"], seen)]


def in_series(eta_min: float) -> dict[str, Any]:
    return {
        "kind": "torch.SequentialLR",
        "schedulers": [LINEAR, TORCH | {"eta_min": eta_min}],
        "milestones": [10],
        "base_lr": 2e-5,
    }


@pytest.mark.parametrize(
    ("schedule", "found"),
    [
        (HF | {"scheduler_specific_kwargs": {"min_lr": 1e-4}}, ["/scheduler_specific_kwargs/min_lr"]),
        (HF | {"scheduler_specific_kwargs": {"min_lr_rate": 5.0}}, ["/scheduler_specific_kwargs/min_lr_rate"]),
        (HF | {"scheduler_specific_kwargs": {"min_lr": 1e-6}}, []),
        (HF | {"scheduler_specific_kwargs": {"min_lr": 2e-5}}, []),
        (in_series(1e-4), ["/schedulers/1/eta_min"]),
        (in_series(1e-6), []),
        (DEEPSPEED | {"warmup_min_lr": 1e-2}, ["/warmup_min_lr"]),
        (DEEPSPEED | {"warmup_min_lr": 1e-4}, []),
        ({"kind": "clamp", "of": {"kind": "constant", "value": 0.1}, "min": 0.2}, ["/min"]),
        ({"kind": "keras.CosineDecay", "initial_learning_rate": 0.1, "decay_steps": 90, "alpha": 1.5}, ["/alpha"]),
        ({"kind": "keras.CosineDecay", "initial_learning_rate": 0.1, "decay_steps": 90, "alpha": 0.1}, []),
        ({"kind": "warmup_cosine", "peak": 1e-5, "end": 1e-4, "warmup_steps": 10, "decay_steps": 90}, ["/peak"]),
        ({"kind": "warmup_cosine", "peak": 1e-4, "end": 1e-4, "warmup_steps": 10, "decay_steps": 90}, []),
        ({"kind": "cyclic", "low": 0.2, "high": 0.1, "up_steps": 10}, ["/high", "/low"]),
        ({"kind": "paddle.OneCycleLR", "max_learning_rate": 1e-5, "total_steps": 100}, ["/max_learning_rate"]),
        (RANGE_TEST, []),
        (SWIN, []),
        (PLATEAU, []),
    ],
    ids=str,
)
def test_extremes(schedule: dict[str, Any], found: list[str]) -> None:
    assert pointers(schedule) == found
