"""Megatron-LM's arguments: counted in iterations or samples, with shares and styles, by the scheduler's formula."""

from math import cos, pi, sqrt
from typing import Any

import pytest

from tests.app.dialects.checks import means, not_read

Json = dict[str, Any]
ARGS: Json = {
    "num_layers": 24,
    "micro_batch_size": 4,
    "global_batch_size": 512,
    "lr": 3e-4,
    "min_lr": 3e-5,
    "lr_decay_style": "cosine",
    "lr_warmup_iters": 10,
    "train_iters": 110,
    "weight_decay": 0.1,
    "clip_grad": 1.0,
}
ROOM = 3e-4 - 3e-5


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, {0: 0.0, 5: 1.5e-4, 10: 3e-4, 35: 3e-5 + ROOM * (1 + cos(pi / 4)) / 2, 60: 1.65e-4, 110: 3e-5, 300: 3e-5}),
        ({"lr_warmup_iters": 0, "lr_warmup_fraction": 0.1}, {11: 3e-4, 110: 3e-5}),
        ({"lr_decay_style": "linear", "lr_decay_iters": 60}, {35: 1.65e-4, 60: 3e-5}),
        ({"lr_decay_style": "constant", "lr_warmup_init": 1e-4}, {0: 1e-4, 5: 2e-4, 99: 3e-4}),
        ({"lr_decay_style": "inverse-square-root"}, {40: 3e-4 * sqrt(10 / 40)}),
        (
            {"lr_decay_style": "WSD", "lr_wsd_decay_iters": 50, "lr_wsd_decay_style": "linear"},
            {59: 3e-4, 60: 3e-4, 85: 1.65e-4, 110: 3e-5},
        ),
        ({"lr_decay_style": "WSD", "lr_wsd_decay_iters": 50}, {85: 3e-5 + ROOM * (2 * 0.5**0.5 - 1)}),
        (
            {"train_iters": None, "train_samples": 56320, "lr_warmup_iters": None, "lr_warmup_samples": 5120},
            {60: 1.65e-4},
        ),
        ({"global_batch_size": None}, {60: 1.65e-4}),
    ],
    ids=str,
)
def test_values(extra: Json, expected: dict[int, float]) -> None:
    answer = means({**ARGS, **extra}, expected)
    assert answer["library"] == "megatron"
    assert "schedule" in answer


def test_the_weight_decay_may_grow() -> None:
    grows = {"start_weight_decay": 0.1, "end_weight_decay": 0.5, "weight_decay_incr_style": "linear"}
    means({**ARGS, **grows}, {0: 0.1, 55: 0.3, 110: 0.5, 200: 0.5}, "weight_decay")


@pytest.mark.parametrize(
    ("extra", "pointer", "said"),
    [
        ({"train_iters": None}, "/config/train_iters", "missing"),
        ({"min_lr": 1.0}, "/config/lr", "must not be below `min_lr`"),
        ({"lr_warmup_iters": 200}, "/config/lr_decay_iters", "above `lr_warmup_iters`"),
        ({"lr_decay_style": "cosin"}, "/config/lr_decay_style", "did you mean 'cosine'"),
        ({"lr_decay_style": "WSD"}, "/config/lr_wsd_decay_iters", "missing"),
        ({"rampup_batch_size": [16, 16, 1000]}, "/config/rampup_batch_size", "metered"),
        ({"decoupled_lr": 1e-4}, "/config/decoupled_lr", "derived track"),
        ({"lr_warmup_step": 3}, "/config/lr_warmup_step", "no field"),
    ],
    ids=str,
)
def test_errors_are_at_the_field(extra: Json, pointer: str, said: str) -> None:
    not_read({**ARGS, **extra}, pointer, said)
