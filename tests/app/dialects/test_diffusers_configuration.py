"""The arguments of diffusers' scripts: lengths in updates, and what the scripts leave to the machine."""

from math import cos, pi
from typing import Any

import pytest

from tests.app.dialects.checks import means, not_read

Json = dict[str, Any]
FILE: Json = {
    "pretrained_model_name_or_path": "models/base",
    "resolution": 512,
    "train_batch_size": 4,
    "gradient_accumulation_steps": 4,
    "learning_rate": 1e-4,
    "scale_lr": False,
    "lr_scheduler": "cosine",
    "lr_warmup_steps": 10,
    "lr_num_cycles": 2,
    "lr_power": 2.0,
    "max_train_steps": 100,
    "snr_gamma": 5.0,
}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, {5: 5e-5, 55: 5e-5, 99: 1e-4 * (1 + cos(pi * 89 / 90)) / 2}),
        ({"lr_scheduler": "constant"}, {0: 1e-4}),
        ({"lr_scheduler": "constant_with_warmup"}, {5: 5e-5, 10: 1e-4}),
        ({"lr_scheduler": "linear"}, {55: 5e-5, 100: 0.0}),
        ({"lr_scheduler": "cosine_with_restarts"}, {10: 1e-4, 55: 1e-4}),
        ({"lr_scheduler": "polynomial"}, {55: 1e-7 + (1e-4 - 1e-7) / 4}),
        ({"max_train_steps": None, "num_train_epochs": 4}, {55: 5e-5}),
    ],
    ids=str,
)
def test_the_schedulers_that_arguments_may_name(extra: Json, expected: dict[int, float]) -> None:
    answer = means({**FILE, **extra}, expected, steps_per_epoch=25)
    assert answer["library"] == "diffusers"


@pytest.mark.parametrize(
    ("extra", "pointer", "said"),
    [
        ({"scale_lr": True}, "/config/scale_lr", "processes"),
        ({"lr_scheduler": "cosine_with_min_lr"}, "/config/lr_scheduler", "did you mean 'cosine_with_restarts'"),
        ({"lr_warmup_steps": 0.5}, "/config/lr_warmup_steps", "whole number"),
        ({"max_train_steps": None, "num_train_epochs": 4}, "/steps_per_epoch", "max_train_steps"),
        ({"learning_rate_scheduler": 1}, "/config/learning_rate_scheduler", "no field"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(extra: Json, pointer: str, said: str) -> None:
    not_read({**FILE, **extra}, pointer, said)
